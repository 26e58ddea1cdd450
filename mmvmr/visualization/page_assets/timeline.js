// The timeline of one query: a row for each moment and mask, all on the time axis of the video.

const film = { moments: [], shown: [] }; // what frames shall tell of, and from when those are that are shown

function drawTimeline(row, detail) {
  const rows = [filmRow(), axisRow(row, detail)];
  row.truth.forEach((moment) => rows.push(momentRow('Annotated', 'truth', moment, row.duration)));
  rows.push(...candidateRows(row, detail));
  if (row.other) {
    rows.push(momentRow('Other run', 'rival', row.other, row.duration, null, row.other_iou === null ? '' : iouText(row.other_iou)));
  }
  if (detail.frame_scores) {
    const where = detail.window ? `, in the part that the model looked at for this answer, ${span(detail.window, row.duration)}` : '';
    rows.push(heading('Score of each clip', `with the query${where}`), curveRow('Score', detail.frame_scores));
  }
  const negatives = Object.entries(detail.negatives);
  if (negatives.length) rows.push(heading('Negatives', 'what the chosen moment is compared with in training'));
  negatives.forEach(([name, mask]) => rows.push(tableRow(name, trackOf(mask), '', 'negative')));
  if (detail.components) {
    rows.push(heading('Components', 'proposals that the candidates were made from, or that they replace'));
    detail.components.spans.forEach((moment, number) => rows.push(momentRow(
      `${number + 1}`, 'component', moment, row.duration, detail.components.masks[number])));
  }
  element('timeline').replaceChildren(...rows, make('div', { class: 'playhead', 'aria-hidden': 'true' }, make('i')));
  film.moments = [...(row.chosen ? [['chosen', row.chosen]] : []), ...row.truth.map((moment) => ['truth', moment])];
  drawFilm();
}

/** The chosen moment and the other candidates, without those that are almost a better one. */
function candidateRows(row, detail) {
  const best = detail.ious.indexOf(Math.max(...detail.ious));
  const kept = [];
  detail.spans.forEach((moment, rank) => {
    const repeats = kept.some((other) => overlap(moment, detail.spans[other]) > (rank === best ? 0.999 : 0.9));
    if (!repeats) kept.push(rank);
  });
  const rows = kept.map((rank) => momentRow(rank ? `Candidate ${rank + 1}` : 'Chosen', rank ? 'other' : 'chosen',
    detail.spans[rank], row.duration, detail.masks[rank], candidateValue(detail, rank, rank === best)));
  const repeated = detail.spans.length - kept.length;
  if (repeated) rows.push(make('p', { class: 'repeated quiet' }, `${repeated} more are almost the same as these.`));
  return rows;
}

/** IoU of two moments. */
function overlap([start, end], [from, to]) {
  const shared = Math.min(end, to) - Math.max(start, from);
  return shared > 0 ? shared / (Math.max(end, to) - Math.min(start, from)) : 0;
}

function candidateValue(detail, rank, best) {
  const parts = [number(detail.scores[rank])];
  const iou = detail.ious[rank];
  if (iou !== undefined) parts.push(`${iouText(iou)}${best && iou > 0 && detail.ious.length > 1 ? ' ★' : ''}`);
  return parts.join(' · ');
}

function tableRow(label, track, value = '', kind = '') {
  return make('div', { class: `line ${kind}` }, make('span', { class: 'label' }, label), track,
    make('span', { class: 'value' }, value));
}

function heading(name, explanation) {
  return make('h4', {}, name, make('small', { class: 'quiet' }, explanation));
}

/** A bar that plays its moment, over the mask that it was read from. */
function momentRow(label, kind, moment, duration, mask, value) {
  const name = `${label}, ${span(moment, duration)}${value ? `, ${value.replace(' ★', ', best of all')}` : ''}. Play it.`;
  const bar = make('button', { class: 'bar', type: 'button', 'aria-label': name, title: span(moment, duration) });
  place(bar, ...moment, duration).addEventListener('click', (event) => {
    event.stopPropagation();
    playMoment(moment);
  });
  const track = trackOf(mask);
  track.append(bar);
  return tableRow(label, track, `${span(moment, duration)}${value ? ` · ${value}` : ''}`, kind);
}

/** Where a click seeks; a mask is drawn as the area below it. */
function trackOf(mask) {
  const track = make('div', { class: 'track' });
  if (mask) track.append(area(unpack(mask), pointEdges, 1));
  return track;
}

function curveRow(label, curve) {
  const track = make('div', { class: 'track' });
  const values = unpack(curve);
  track.append(area(values, clipEdges, Math.max(...values)));
  return tableRow(label, track, `max ${curve[1].toFixed(2)}`, 'curve');
}

/** Edges of the parts that N points stand for: masks have points from 0 to 1, ends included. */
function pointEdges(at, count) {
  return Math.min(Math.max((at - 0.5) / (count - 1), 0), 1);
}

/** Edges of N equal clips. */
function clipEdges(at, count) {
  return at / count;
}

/** N values as steps; ``edge(at, N)`` says where step ``at`` begins. */
function area(values, edge, height) {
  const points = values.flatMap((value, at) => [at, at + 1].map(
    (side) => `${edge(side, values.length).toFixed(4)},${(1 - value / height).toFixed(3)}`));
  const path = make('path', { d: `M0,1L${points.join('L')}L1,1Z` });
  return make('svg', { viewBox: '0 0 1 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, path);
}

function filmRow() {
  const track = make('div', { class: 'track' }, make('canvas', { id: 'film', 'aria-hidden': 'true' }));
  return tableRow('', track, '', 'film');
}

/** As many frames as fit beside each other; underlined where they are from inside a moment. */
function drawFilm() {
  const canvas = element('film');
  if (!canvas) return;
  canvas.closest('.line').hidden = !player.strip;
  if (!player.strip || !canvas.clientWidth) return;
  const { picture, times, width, height } = player.strip;
  const scale = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: canvas.clientWidth * scale, height: canvas.clientHeight * scale });
  const context = canvas.getContext('2d');
  const [line, gap] = [4 * scale, scale];
  const tall = canvas.height - 2 * line;
  const shown = Math.max(Math.min(Math.round((canvas.width / tall) * (height / width)), times.length), 1);
  const step = canvas.width / shown;
  const used = Math.min(width, ((step - gap) / tall) * height); // cut at the sides rather than distorted
  film.shown = [...Array(shown).keys()].map((at) => {
    const { from, inside } = frameOf((at * player.duration) / shown, ((at + 1) * player.duration) / shown, times);
    context.drawImage(picture, from * width + (width - used) / 2, 0, used, height, at * step, 0, step - gap, tall);
    inside.forEach((kind) => {
      context.fillStyle = getComputedStyle(document.querySelector(`.line.${kind} .bar`)).backgroundColor;
      context.fillRect(at * step, tall + (kind === 'truth' ? 0 : line), step, line);
    });
    return times[from];
  });
}

/** The frame of a part of the video, by its place among all, and the moments that it is inside of: those that overlap. */
function frameOf(start, end, times) {
  let [from, to] = [start, end];
  film.moments.forEach(([, [low, high]]) => {
    if (Math.max(from, low) < Math.min(to, high)) [from, to] = [Math.max(from, low), Math.min(to, high)];
  });
  const overlapping = film.moments.filter(([, [low, high]]) => Math.max(start, low) < Math.min(end, high));
  const known = [times.filter((time) => time >= from && time <= to),
    times.filter((time) => overlapping.some(([, [low, high]]) => time >= low && time <= high)), times].find((some) => some.length);
  const time = known[nearest(known, (from + to) / 2)];
  const inside = overlapping.filter(([, [low, high]]) => time >= low && time <= high).map(([kind]) => kind);
  return { from: times.indexOf(time), inside };
}

function axisRow({ duration, iou }, detail) {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600].find((size) => duration / size <= 10) || 7200;
  const track = make('div', { class: 'track' });
  for (let time = 0; time <= duration; time += step) {
    const text = unit(duration) ? `${time}` : `${Math.floor(time / 60)}:${String(time % 60).padStart(2, '0')}`;
    const fits = time + (text.length * duration) / 60 <= 1.02 * duration; // the last one may reach into the next column
    track.append(place(make('span', { class: 'tick' }, fits ? text : ''), time, time, duration));
  }
  const values = `moment${detail.spans.length ? ` · ${detail.scored_by}` : ''}${iou === null ? '' : ' · IoU'}`;
  return tableRow(unit(duration) ? 'seconds' : 'time', track, values, 'axis');
}

function startTimeline() {
  element('timeline').addEventListener('click', (event) => {
    const track = event.target.closest('.track');
    if (!track) return;
    const box = track.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * player.duration);
  });
  player.listeners.push(drawFilm);
  new ResizeObserver(drawFilm).observe(element('timeline'));
}
