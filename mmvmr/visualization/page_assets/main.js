// Opening a query, the keyboard, and the colour scheme.

const SCHEMES = ['light dark', 'light', 'dark']; // the first is that of the system

function openQuery(number) {
  const [row, detail] = [ROWS[number], JSON.parse(DETAILS[number])];
  element('nothing').hidden = true;
  document.querySelector('article').hidden = false;
  document.body.classList.add('opened');
  element('query').textContent = row.query;
  element('facts').textContent = facts(row, detail);
  loadVideo(row.video_id, row.duration, row.chosen ? row.chosen[0] : 0);
  drawTimeline(row, detail);
  drawWords(detail);
  drawMaps(row, detail);
  showTime();
  element('detail').scrollTop = 0;
}

function facts(row, detail) {
  const parts = [row.video_id, `${clock(row.duration)}${unit(row.duration)}`];
  if (row.iou !== null) {
    const rank = detail.ious.indexOf(Math.max(...detail.ious)) + 1;
    parts.push(`IoU of the chosen moment ${iouText(row.iou)}`, `best of ${detail.ious.length}: ${iouText(row.best)}, `
      + `candidate ${rank}`);
  }
  if (!detail.spans.length) parts.push('no features of this video, so no prediction');
  return parts.join(' · ');
}

function onKey(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.matches('input, select')) {
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
  if (!target.closest('button:not(.bar)')) actions[' '] = togglePlay; // on other buttons it presses them
  if (!actions[key]) return;
  event.preventDefault();
  actions[key]();
}

/** On narrow screens, back to the list. */
function closeQuery() {
  pause();
  document.body.classList.remove('opened');
  element('list').focus();
}

function showScheme(scheme) {
  document.documentElement.style.colorScheme = scheme;
  const name = { 'light dark': 'Auto', light: 'Light', dark: 'Dark' }[scheme];
  element('theme').textContent = name;
  element('theme').title = `Colour scheme: ${name.toLowerCase()}`;
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
startTimeline();
document.addEventListener('keydown', onKey);
element('back').addEventListener('click', closeQuery);
startList(openQuery);
if (window.innerWidth > 900) choose(0);
