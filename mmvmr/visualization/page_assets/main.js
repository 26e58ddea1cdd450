// Opening a query, the keyboard, and the colour scheme.

const SCHEMES = ['light dark', 'light', 'dark']; // the first is that of the system

function openQuery(number) {
  const [row, detail] = [ROWS[number], JSON.parse(DETAILS[number])];
  element('nothing').hidden = true;
  document.querySelector('article').hidden = false;
  document.body.classList.add('opened');
  element('query').textContent = row.query;
  element('facts').textContent = facts(row, detail);
  loadVideo(row.video_id, row.duration, row.chosen);
  drawAnswer(row, detail);
  drawTimeline(row, detail);
  drawWords(detail);
  drawMaps(row, detail);
  showTime();
  element('detail').scrollTop = 0;
}

function facts(row, detail) {
  const parts = [row.video_id, `${clock(row.duration, row.duration)}${unit(row.duration)}`];
  if (row.iou !== null && detail.ious.length > 1) {
    const rank = detail.ious.indexOf(Math.max(...detail.ious)) + 1;
    parts.push(`IoU of the best of ${detail.ious.length}: ${iouText(row.best)}, candidate ${rank}`);
  }
  return parts.join(' · ');
}

/** The moment in words, beside the video. */
function drawAnswer(row, detail) {
  const facts = [];
  if (row.chosen) facts.push([detail.scored_by, number(row.score)]);
  if (row.confidence !== null) facts.push(['confidence', row.confidence.toFixed(2)]);
  row.truth.forEach((moment) => facts.push(['annotated', span(moment, row.duration)]));
  if (row.iou !== null) facts.push(['IoU', iouText(row.iou)]);
  if (row.other_iou !== null) facts.push(['IoU of the other run', iouText(row.other_iou)]);
  const parts = [make('h3', {}, row.chosen ? 'Moment' : 'No moment'), make('p', { class: row.chosen ? 'moment' : 'none' },
    row.chosen ? span(row.chosen, row.duration) : row.unanswered || 'There are no features of this video, so no prediction.'),
  make('dl', {}, ...facts.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))))];
  if (row.unknown_words.length) {
    parts.push(make('p', { class: 'warning' }, `Read without ${row.unknown_words.map((word) => `“${word}”`).join(', ')}: the `
      + `model does not know ${row.unknown_words.length > 1 ? 'these words' : 'this word'}.`));
  }
  if (row.chosen) {
    const play = make('button', { type: 'button', id: 'play-moment' }, '▶ Play the moment');
    play.addEventListener('click', () => playMoment(row.chosen));
    parts.push(play);
  }
  element('answer').replaceChildren(...parts);
}

function onKey(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.matches('input:not([type=checkbox]), select, textarea')) {
    if (key === 'Escape' || (key === 'Enter' && target.id === 'text')) element('list').focus();
    return;
  }
  const actions = {
    j: () => choose(list.current + 1),
    k: () => choose(list.current - 1),
    '/': () => element('text').select(),
    ArrowLeft: () => seek(player.time - 1),
    ArrowRight: () => seek(player.time + 1),
    Escape: closeQuery,
    Home: () => choose(0),
    End: () => choose(list.shown.length - 1),
  };
  actions.ArrowDown = actions.j;
  actions.ArrowUp = actions.k;
  if (!target.closest('button:not(.bar), summary, input')) actions[' '] = togglePlay; // on other buttons it presses them
  if (!actions[key]) return;
  event.preventDefault();
  actions[key]();
}

/** On narrow screens, back to the list. */
function closeQuery() {
  pause();
  document.body.classList.remove('opened');
  element('list').focus();
  writeAddress();
}

function showScheme(scheme) {
  document.documentElement.style.colorScheme = scheme;
  const name = { 'light dark': 'Auto', light: 'Light', dark: 'Dark' }[scheme];
  element('theme').textContent = `Colours: ${name.toLowerCase()}`;
}

function startScheme() {
  let scheme = SCHEMES[0];
  showScheme(scheme);
  element('theme').addEventListener('click', () => {
    scheme = SCHEMES[(SCHEMES.indexOf(scheme) + 1) % SCHEMES.length];
    showScheme(scheme);
  });
}

startScheme();
startPlayer();
startAsking();
startTimeline();
document.addEventListener('keydown', onKey);
element('back').addEventListener('click', closeQuery);
startList(openQuery);
