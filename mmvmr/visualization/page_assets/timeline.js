// The timeline of one query: a row for each moment and mask, all on the time axis of the video.

function drawTimeline(row, detail) {
  const rows = [filmRow(), axisRow(row.duration)];
  row.truth.forEach((moment) => rows.push(momentRow('Annotated', 'truth', moment, row.duration)));
  rows.push(...candidateRows(row, detail));
  if (detail.frame_scores) rows.push(heading('Match of each clip', 'with the query'), curveRow('Match', detail.frame_scores));
  const negatives = Object.entries(detail.negatives);
  if (negatives.length) rows.push(heading('Negatives', 'what the chosen moment is compared with in training'));
  negatives.forEach(([name, mask]) => rows.push(tableRow(name, trackOf(mask), '', 'negative')));
  if (detail.components) {
    rows.push(heading('Components', 'proposals that the candidates were made from'));
    detail.components.spans.forEach((moment, number) => rows.push(momentRow(
      `${number + 1}`, 'component', moment, row.duration, detail.components.masks[number])));
  }
  element('timeline').replaceChildren(...rows, make('div', { class: 'playhead', 'aria-hidden': 'true' }, make('i')));
  drawFilm();
}

/** The chosen moment and the other candidates, without those that only repeat a better one. */
function candidateRows(row, detail) {
  const seen = new Set();
  const rows = [];
  detail.spans.forEach((moment, rank) => {
    if (seen.has(String(moment))) return;
    seen.add(String(moment));
    rows.push(momentRow(rank ? `Candidate ${rank + 1}` : 'Chosen', rank ? 'other' : 'chosen', moment, row.duration,
      detail.masks[rank], candidateValue(detail, rank)));
  });
  const repeated = detail.spans.length - seen.size;
  if (repeated) rows.push(make('p', { class: 'repeated quiet' }, `${repeated} more repeat these.`));
  return rows;
}

function candidateValue(detail, rank) {
  const iou = detail.ious[rank];
  const best = detail.ious.indexOf(Math.max(...detail.ious)) === rank && iou > 0 && detail.ious.length > 1;
  return iou === undefined ? '' : `IoU ${iouText(iou)}${best ? ' ★' : ''}`;
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
  const name = `${label}, ${span(moment)}${value ? `, ${value.replace(' ★', ', best of all')}` : ''}. Play from there.`;
  const bar = make('button', { class: 'bar', type: 'button', 'aria-label': name, title: `${span(moment)}` });
  place(bar, ...moment, duration).addEventListener('click', (event) => {
    event.stopPropagation();
    playFrom(moment[0]);
  });
  const track = trackOf(mask);
  track.append(bar);
  const text = kind === 'truth' ? span(moment) : value || span(moment);
  return tableRow(label, track, text, kind);
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

/** As many frames as fit beside each other. */
function drawFilm() {
  const film = element('film');
  if (!film) return;
  film.closest('.line').hidden = !player.strip;
  if (!player.strip || !film.clientWidth) return;
  const { picture, count, width, height } = player.strip;
  const scale = window.devicePixelRatio || 1;
  Object.assign(film, { width: film.clientWidth * scale, height: film.clientHeight * scale });
  const shown = Math.max(Math.min(Math.round((film.width / film.height) * (height / width)), count), 1);
  const step = film.width / shown;
  const used = Math.min(width, (step / film.height) * height); // cut at the sides rather than distorted
  for (let at = 0; at < shown; at += 1) {
    const source = Math.floor(((at + 0.5) / shown) * count) * width + (width - used) / 2;
    film.getContext('2d').drawImage(picture, source, 0, used, height, at * step, 0, step, film.height);
  }
}

function axisRow(duration) {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600].find((size) => duration / size <= 10) || 7200;
  const track = make('div', { class: 'track' });
  for (let time = 0; time <= duration; time += step) {
    const text = unit(duration) ? `${time}` : `${Math.floor(time / 60)}:${String(time % 60).padStart(2, '0')}`;
    track.append(place(make('span', { class: 'tick' }, text), time, time, duration));
  }
  return tableRow(unit(duration) ? 'seconds' : 'time', track, '', 'axis');
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
