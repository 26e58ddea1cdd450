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
const COMPARED = ROWS.some((row) => row.other_iou !== null);
if (COMPARED) {
  Object.assign(ORDERS, {
    'Better than the other run first': (row) => row.other_iou - row.iou,
    'Worse than the other run first': (row) => row.iou - row.other_iou,
    'Both runs wrong first': (row) => Math.max(row.iou, row.other_iou),
  });
}
const FIELDS = ['text', 'iou-from', 'iou-to', 'length-from', 'length-to', 'order'];
const list = { shown: [], current: -1, open: null, wide: () => window.innerWidth > 900 };

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
  element('csv').addEventListener('click', saveTable);
  window.addEventListener('hashchange', readAddress);
  element('filters').addEventListener('submit', (event) => event.preventDefault());
  element('list').addEventListener('scroll', drawRows);
  element('list').addEventListener('click', (event) => {
    const row = event.target.closest('[role=option]');
    if (row) choose(Number(row.dataset.place));
  });
  new ResizeObserver(drawRows).observe(element('list'));
  drawHistogram();
  drawProblems();
  readAddress();
}

/** Filters, order and query as the address says. */
function readAddress() {
  const said = new URLSearchParams(window.location.hash.slice(1));
  FIELDS.forEach((id) => { element(id).value = said.get(id) || (id === 'order' ? element('order').options[0].value : ''); });
  if (!element('order').value) element('order').selectedIndex = 0;
  list.current = -1;
  list.shown = [];
  const wanted = said.has('query') ? Number(said.get('query')) - 1 : -1;
  refreshList(wanted in ROWS ? wanted : -1);
}

/** Put into the address what is shown, so that it survives a reload and can be sent. */
function writeAddress() {
  const said = new URLSearchParams();
  FIELDS.forEach((id) => {
    const { value, selectedIndex } = element(id);
    if (value && selectedIndex !== 0) said.set(id, value);
  });
  if (list.current >= 0 && document.body.classList.contains('opened')) said.set('query', list.shown[list.current] + 1);
  window.history.replaceState(null, '', said.size ? `#${said}` : window.location.pathname + window.location.search);
}

/** What could not be answered at all. */
function drawProblems() {
  element('problems').hidden = !PROBLEMS.length;
  element('problems').open = !ROWS.length;
  element('problems').querySelector('summary').textContent = `${PROBLEMS.length} not answered`;
  element('problems').querySelector('ul').replaceChildren(...PROBLEMS.map(({ error }) => make('li', {}, error)));
}

function bound(id, otherwise) {
  const value = element(id).valueAsNumber;
  return Number.isNaN(value) ? otherwise : value;
}

/** Filter and order anew; the query that is open stays open while it is in the list. */
function refreshList(wanted = -1) {
  const opened = wanted >= 0 ? wanted : list.shown[list.current];
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
  const found = list.current >= 0;
  if (found && wanted >= 0) choose(list.current);
  else if (!found && list.shown.length && list.wide()) choose(0);
  else writeAddress();
}

function summarize() {
  element('above').hidden = !ROWS.length;
  const judged = list.shown.map((number) => ROWS[number].iou).filter((iou) => iou !== null);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const count = `${list.shown.length.toLocaleString('en')} of ${ROWS.length.toLocaleString('en')} queries`;
  const hits = (level) => `${(100 * mean(judged.map((iou) => Number(iou >= level)))).toFixed(1)} %`;
  const pairs = list.shown.map((number) => ROWS[number]).filter((row) => row.iou !== null && row.other_iou !== null);
  const share = (fits) => pairs.filter(fits).length.toLocaleString('en');
  const compared = COMPARED ? ` · better than the other run ${share((row) => row.iou > row.other_iou)}, worse ${
    share((row) => row.iou < row.other_iou)}, both below 0.5 ${share((row) => Math.max(row.iou, row.other_iou) < 0.5)}` : '';
  element('summary').textContent = !list.shown.length ? 'No query fits these filters.'
    : judged.length ? `${count} · mIoU ${(100 * mean(judged)).toFixed(1)} % · IoU ≥ 0.5 ${hits(0.5)}${compared}` : count;
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
  else strip.classList.add('alone');
  if (!row.chosen) strip.replaceChildren('no answer');
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
  writeAddress();
}

/** The queries of the list as a table (CSV, RFC 4180). */
function saveTable() {
  const head = ['query', 'video', 'sentence', 'duration', 'start', 'end', SCORED_BY, 'confidence', 'iou', 'best_iou', 'annotated',
    'other_start', 'other_end', 'other_iou'];
  const rows = list.shown.map((number) => {
    const row = ROWS[number];
    return [number + 1, row.video_id, row.query, row.duration, ...(row.chosen || ['', '']), row.score, row.confidence,
      row.iou, row.best, row.truth.map((moment) => moment.join('-')).join(' '), ...(row.other || ['', '']), row.other_iou];
  });
  const text = [head, ...rows].map((cells) => `${cells.map(cell).join(',')}\r\n`).join('');
  const link = make('a', { download: `${document.title}.csv`, href: URL.createObjectURL(new Blob([text], { type: 'text/csv' })) });
  link.click();
  URL.revokeObjectURL(link.href);
}

/** A cell of a table; text that a program might take for a formula begins with an apostrophe. */
function cell(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  return `"${value.replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
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
