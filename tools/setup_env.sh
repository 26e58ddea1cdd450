# Source this from the repository root: afterwards `python` is one that can run mmvmr, and `mmvmr` is a command.
# It uses the virtual environment that is active, or makes .venv, and installs what requirements/ lists, pinned by
# requirements/constraints.txt. A second call with unchanged requirements does nothing.
#   source tools/setup_env.sh [EXTRA...]      EXTRA: tests, docs, clip, video, serve, onnx

_fail() { echo "setup: $*" >&2; exit 1; }

if [ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ]; then
    if [ ! -x .venv/bin/python ]; then
        command -v python3 >/dev/null || _fail 'there is no python3. Install Python 3.11 or newer.'
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || _fail "$(python3 --version) is too old: 3.11 or newer is needed."
        echo 'setup: making the environment .venv'
        rm -rf .venv
        python3 -m venv .venv || _fail 'python3 -m venv failed; on Debian: apt-get install python3-venv'
    fi
    source .venv/bin/activate
fi

_stamp="$(python -c 'import sys; print(sys.prefix)')/mmvmr-$(
    { pwd; echo "$@"; python --version; cat pyproject.toml setup.py requirements/*.txt; } | cksum | cut -d' ' -f1).installed"
if [ ! -e "$_stamp" ]; then
    _files=(-r requirements/runtime.txt)
    for _extra in "$@"; do _files+=(-r "requirements/$_extra.txt"); done
    echo 'setup: installing the requirements (about 1.5 GB; some minutes the first time)'
    python -m pip install -c requirements/constraints.txt 'setuptools>=77' "${_files[@]}" \
        || _fail 'pip could not install the requirements; its message is above.'
    # the maps of MS-2D-RL need mmcv; a full one, where there is one, is left as it is
    python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("mmcv"))' || python -m pip install -c requirements/constraints.txt -r requirements/mmcv.txt \
        || _fail 'pip could not install mmcv-lite; its message is above.'
    python -m pip install --quiet --no-deps --no-build-isolation -e . || _fail 'pip could not install mmvmr itself.'
    if ! python -c 'import cv2' 2>/dev/null; then
        # opencv-python needs two libraries that a bare Debian or Ubuntu lacks
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq libgl1 libglib2.0-0
        python -c 'import cv2' || _fail 'OpenCV does not import. On Debian or Ubuntu: sudo apt-get install libgl1 libglib2.0-0'
    fi
    if [[ " $* " == *' tests '* ]] && [ -z "$(command -v chromium chromium-browser google-chrome)" ]; then
        # not on Ubuntu, where the package only leads to a snap, which containers lack
        { [ "$(id -u)" = 0 ] && grep -qs '^ID=debian' /etc/os-release && apt-get update -qq \
            && apt-get install -y -qq chromium; } || echo 'setup: no Chromium, so the tests of the page are skipped'
    fi
    touch "$_stamp"
fi
