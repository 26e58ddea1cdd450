// What Python has put into the page, and small helpers that every part uses.

const ROWS = JSON.parse(document.getElementById('index').textContent);
const DETAILS = lines('details'); // one JSON text per query, read when it is opened
const PROBLEMS = JSON.parse(document.getElementById('problems-data').textContent);
const SCORED_BY = ROWS.length ? ROWS[0].scored_by : 'score';
const VIDEOS = new Map(lines('videos').map((text) => JSON.parse(text)).map((video) => [video.video_id, video]));

function lines(id) {
  const text = document.getElementById(id).textContent;
  return text ? text.split('\n') : [];
}

/** Numbers of [low, high, base64]; null where there is none. */
function unpack([low, high, data]) {
  return Array.from(atob(data), (letter) => {
    const byte = letter.charCodeAt(0);
    return byte === 0 ? null : low + ((byte - 1) / 254) * (high - low);
  });
}

function element(id) {
  return document.getElementById(id);
}

/** A new element. Text is only ever set as text, so nothing in the data can become markup. */
function make(tag, attributes = {}, ...children) {
  const svg = ['svg', 'path', 'line', 'circle', 'rect'].includes(tag);
  const made = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Put an element from start to end of a track that is as long as the video. */
function place(made, start, end, duration) {
  made.style.left = `${(100 * start) / duration}%`;
  made.style.width = `${(100 * (end - start)) / duration}%`;
  return made;
}

/** A time as "12.3", in a video of ten minutes and more as "35:40.7". */
function clock(value, duration) {
  const tenths = Math.round(value * 10);
  if (unit(duration)) return (tenths / 10).toFixed(1);
  return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, '0')}`;
}

/** The unit behind the times of a video. */
function unit(duration) {
  return Math.round(duration * 10) < 6000 ? ' s' : '';
}

function span([start, end], duration) {
  return `${clock(start, duration)} – ${clock(end, duration)}${unit(duration)}`;
}

function number(value) {
  return value.toFixed(Math.abs(value) < 10 ? 3 : 1).replace('-', '−');
}

function iouText(iou) {
  return iou === null || iou === undefined ? '–' : iou.toFixed(2);
}
