# docker build -t mmvmr .                               on CPUs
# docker build -t mmvmr --build-arg TORCH=cu126 .       for the CUDA version of your driver, see pytorch.org
# docker run --rm -v "$PWD:/work" mmvmr train mcmt_moving_shapes
FROM python:3.11-slim
ARG TORCH=cpu
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/mmvmr
COPY requirements requirements
RUN pip install --no-cache-dir -c requirements/constraints.txt torch --index-url https://download.pytorch.org/whl/${TORCH} \
    && pip install --no-cache-dir -c requirements/constraints.txt -r requirements/runtime.txt -r requirements/mmcv.txt
COPY . .
RUN pip install --no-cache-dir --no-deps .
WORKDIR /work
ENTRYPOINT ["mmvmr"]
