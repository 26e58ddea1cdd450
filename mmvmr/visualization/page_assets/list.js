// The list of queries: filters, order, and as many rows as fit on the screen.

const ROW_HEIGHT = 68; // pixels, as in the style sheet
const JUDGED = ROWS.some((row) => row.iou !== null);
const ORDERS = {
  'As in the data': null,
  'Worst first': (row) => row.iou,
  'Best first': (row) => -row.iou,
  'Missed most: best of K − chosen': (row) => row.iou - row.best,
  'Shortest moment first': (row) => momentLength(row),
  'Longest moment first': (row) => -momentLength(row),
};
const list = { shown: [], current: -1, open: null };

/** Length in seconds of the annotated moment, or of the chosen one where none is annotated. */
function momentLength(row) {
  const moment = row.truth[0] || row.chosen;
  return moment ? moment[1] - moment[0] : 0;
}

function startList(open) {
  list.open = open;
  const orders = Object.keys(ORDERS).filter((name) => JUDGED || !/first$|Missed/.test(name) || /moment/.test(name));
  element('order').append(...orders.map((name) => make('option', {}, name)));
  document.querySelectorAll('.judged').forEach((part) => { part.hidden = !JUDGED; });
  element('filters').addEventListener('input', () => refreshList());
  element('filters').addEventListener('submit', (event) => event.preventDefault());
  element('list').addEventListener('scroll', drawRows);
  element('list').addEventListener('click', (event) => {
    const row = event.target.closest('[role=option]');
    if (row) choose(Number(row.dataset.place));
  });
  new ResizeObserver(drawRows).observe(element('list'));
  drawHistogram();
  refreshList();
}

function bound(id, otherwise) {
  const value = element(id).valueAsNumber;
  return Number.isNaN(value) ? otherwise : value;
}

/** Filter and order anew; the query that is open stays marked. */
function refreshList() {
  const opened = list.shown[list.current];
  const words = element('text').value.toLowerCase().split(/\s+/).filter(Boolean);
  const [low, high] = [bound('iou-from', -1), bound('iou-to', 2)];
  const [short, long] = [bound('length-from', 0), bound('length-to', Infinity)];
  const fits = (row) => (row.iou === null ? low < 0 && high > 1 : row.iou >= low && row.iou <= high)
    && momentLength(row) >= short && momentLength(row) <= long
    && words.every((word) => row.query.toLowerCase().includes(word) || row.video_id.toLowerCase().includes(word));
  list.shown = [...ROWS.keys()].filter((number) => fits(ROWS[number]));
  const key = ORDERS[element('order').value];
  if (key) {
    const last = (row) => (element('order').value.includes('moment') || row.iou !== null ? key(row) : Infinity);
    list.shown.sort((a, b) => last(ROWS[a]) - last(ROWS[b]));
  }
  list.current = list.shown.indexOf(opened);
  element('rows').style.height = `${list.shown.length * ROW_HEIGHT}px`;
  element('list').scrollTop = 0;
  markHistogram(low, high);
  summarize();
  drawRows();
}

function summarize() {
  const judged = list.shown.map((number) => ROWS[number].iou).filter((iou) => iou !== null);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const count = `${list.shown.length.toLocaleString('en')} of ${ROWS.length.toLocaleString('en')} queries`;
  const hits = (level) => `${(100 * mean(judged.map((iou) => Number(iou >= level)))).toFixed(1)} %`;
  element('summary').textContent = !list.shown.length ? 'No query fits these filters.'
    : judged.length ? `${count} · mIoU ${(100 * mean(judged)).toFixed(1)} % · IoU ≥ 0.5 ${hits(0.5)}` : count;
}

function drawRows() {
  const view = element('list');
  const first = Math.max(Math.floor(view.scrollTop / ROW_HEIGHT) - 4, 0);
  const last = Math.min(first + Math.ceil(view.clientHeight / ROW_HEIGHT) + 8, list.shown.length);
  const rows = [];
  for (let at = first; at < last; at += 1) rows.push(drawRow(at, ROWS[list.shown[at]]));
  element('rows').replaceChildren(...rows);
  view.setAttribute('aria-activedescendant', list.current >= 0 ? `row-${list.current}` : '');
}

function drawRow(at, row) {
  const strip = make('span', { class: 'mini', 'aria-hidden': 'true' });
  for (const moment of row.truth) strip.append(place(make('i', { class: 'truth' }), ...moment, row.duration));
  if (row.chosen) strip.append(place(make('i', { class: 'chosen' }), ...row.chosen, row.duration));
  const made = make('div', {
    role: 'option', id: `row-${at}`, class: 'row', 'aria-selected': String(at === list.current),
    'aria-setsize': list.shown.length, 'aria-posinset': at + 1,
  }, make('span', { class: 'sentence' }, row.query), make('span', { class: 'quiet id' }, row.video_id), strip);
  if (JUDGED) made.append(make('span', { class: 'iou', title: 'IoU of the chosen moment' }, iouText(row.iou)));
  made.dataset.place = at;
  made.style.top = `${at * ROW_HEIGHT}px`;
  return made;
}

/** Open the query at a place of the list, and bring it into sight. */
function choose(at) {
  if (at < 0 || at >= list.shown.length) return;
  list.current = at;
  const view = element('list');
  const [top, bottom] = [at * ROW_HEIGHT, (at + 1) * ROW_HEIGHT];
  if (top < view.scrollTop) view.scrollTop = top;
  if (bottom > view.scrollTop + view.clientHeight) view.scrollTop = bottom - view.clientHeight;
  drawRows();
  list.open(list.shown[at]);
}

function drawHistogram() {
  const counts = Array(10).fill(0);
  for (const { iou } of ROWS) if (iou !== null) counts[Math.min(Math.floor(iou * 10), 9)] += 1;
  const most = Math.max(...counts, 1);
  element('histogram').replaceChildren(...counts.map((count, bin) => {
    const name = `IoU ${(bin / 10).toFixed(1)} to ${((bin + 1) / 10).toFixed(1)}: ${count} queries`;
    const bar = make('button', { type: 'button', title: name, 'aria-label': name, 'aria-pressed': 'false' }, make('i'));
    bar.firstChild.style.height = `${(100 * count) / most}%`;
    bar.addEventListener('click', () => toggleBin(bin));
    return bar;
  }));
}

/** Show one tenth of the IoU range, or all of it again. */
function toggleBin(bin) {
  const [from, to] = [element('iou-from'), element('iou-to')];
  const values = [(bin / 10).toFixed(1), ((bin + 1) / 10).toFixed(1)];
  const on = from.value === values[0] && to.value === values[1];
  [from.value, to.value] = on ? ['', ''] : values;
  refreshList();
}

function markHistogram(low, high) {
  const all = low <= 0 && high >= 1;
  [...element('histogram').children].forEach((bar, bin) => {
    bar.setAttribute('aria-pressed', String(!all && bin / 10 >= low - 1e-9 && (bin + 1) / 10 <= high + 1e-9));
  });
}
