// Why: the words that a mask explains, and the map that moments are chosen from.

const VIEWS = { chosen: 'the chosen moment', rest: 'all but that', whole: 'the whole video' };
const HEAT = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]; // viridis

function drawWords(detail) {
  const tasks = Object.entries(detail.reconstruction);
  element('words-part').hidden = !tasks.length || !detail.words.length;
  const legend = make('p', { class: 'legend' }, ...Object.entries(VIEWS).map(
    ([view, name]) => make('span', {}, make('i', { class: `dot ${view}` }), name)));
  element('words').replaceChildren(legend, ...tasks.map(([task, scores]) => wordTable(
    detail.words, scores, tasks.length > 1 ? task : null)));
}

/** One line per word: its log-probability under each view, on an axis that ends at 0, where the word is certain. */
function wordTable(words, scores, task) {
  const lowest = Math.min(-1, ...Object.values(scores).flat());
  const head = make('tr', {}, ...['word', `log p, ${lowest.toFixed(1).replace('-', '−')} to 0`, 'chosen − all but that'].map(
    (name) => make('th', { scope: 'col' }, name)));
  const body = words.map((word, at) => {
    const values = Object.fromEntries(Object.keys(VIEWS).map((view) => [view, scores[view][at]]));
    const gain = Math.round(100 * (values.chosen - values.rest)) / 100;
    const text = Object.entries(values).map(([view, value]) => `${VIEWS[view]} ${value.toFixed(2)}`).join(', ');
    return make('tr', { title: text }, make('th', { scope: 'row' }, word),
      make('td', {}, dots(values, lowest), make('span', { class: 'spoken' }, text)),
      make('td', { class: `gain ${gain > 0.1 ? 'more' : gain < -0.1 ? 'less' : ''}` },
        `${gain > 0 ? '+' : gain < 0 ? '−' : ''}${Math.abs(gain).toFixed(2)}`));
  });
  const table = make('table', {}, make('thead', {}, head), make('tbody', {}, ...body));
  if (task) table.prepend(make('caption', {}, `task: ${task}`));
  return table;
}

function dots(values, lowest) {
  const place = (value) => 100 * (1 - value / lowest);
  const line = make('i', { class: 'between' });
  const [left, right] = [Math.min(values.chosen, values.rest), Math.max(values.chosen, values.rest)].map(place);
  Object.assign(line.style, { left: `${left}%`, width: `${right - left}%` });
  const marks = ['whole', 'rest', 'chosen'].map((view) => {
    const dot = make('i', { class: `dot ${view}` });
    dot.style.left = `${place(values[view])}%`;
    return dot;
  });
  return make('span', { class: 'dots', 'aria-hidden': 'true' }, line, ...marks);
}

function drawMaps(row, detail) {
  element('maps-part').hidden = !detail.maps.length;
  element('maps').replaceChildren(...detail.maps.map((map) => drawMap(map, row)));
}

/** A heat map, start downwards and end to the right, with the annotated and the chosen moment marked. */
function drawMap({ size, cells }, row) {
  const values = unpack(cells);
  const [low, high] = cells;
  const canvas = make('canvas', { width: size, height: size, role: 'img', 'aria-label': `Map of ${size} by ${size} moments` });
  const context = canvas.getContext('2d');
  values.forEach((value, cell) => {
    if (value === null) return;
    context.fillStyle = heat((value - low) / (high - low || 1));
    context.fillRect(cell % size, Math.floor(cell / size), 1, 1);
  });
  const frame = make('div', { class: 'map' }, canvas);
  row.truth.forEach((moment) => frame.append(mark('truth', moment, row.duration)));
  if (row.chosen) frame.append(mark('chosen', row.chosen, row.duration));
  const readout = make('output', { class: 'quiet' }, `${size} × ${size} · ${low.toFixed(2)} to ${high.toFixed(2)}`);
  const momentAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const [end, start] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map(
      (fraction) => Math.min(Math.max(Math.floor(fraction * size), 0), size - 1));
    return { moment: [start, end + 1].map((clip) => (clip / size) * row.duration), value: values[start * size + end] };
  };
  canvas.addEventListener('mousemove', (event) => {
    const { moment, value } = momentAt(event);
    readout.textContent = value === null ? 'no proposal' : `${span(moment, player.duration)}: ${value.toFixed(3)}`;
  });
  canvas.addEventListener('click', (event) => {
    const { moment, value } = momentAt(event);
    if (value !== null) playMoment(moment);
  });
  return make('figure', {}, make('span', { class: 'quiet' }, 'end →'), frame, readout);
}

/** A mark on the corner of a map where a moment lies: its start from the top, its end from the left. */
function mark(kind, [start, end], duration) {
  const made = make('i', { class: `mark ${kind}`, 'aria-hidden': 'true' });
  Object.assign(made.style, { top: `${(100 * start) / duration}%`, left: `${(100 * end) / duration}%` });
  return made;
}

function heat(fraction) {
  const at = Math.min(Math.max(fraction, 0), 1) * (HEAT.length - 1);
  const low = Math.min(Math.floor(at), HEAT.length - 2);
  const mix = HEAT[low].map((value, channel) => Math.round(value + (at - low) * (HEAT[low + 1][channel] - value)));
  return `rgb(${mix.join(' ')})`;
}
