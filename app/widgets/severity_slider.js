// The function runs again whenever the data changes. What the visitor drags is shown at once; the server hears of it when
// the slider is let go.
export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector('.severity');
  const [frame, image, said, input, ticks] = ['.frame', 'img', '.said', 'input', '.ticks'].map((s) => root.querySelector(s));
  const last = data.images.length - 1;
  frame.style.aspectRatio = `${data.width} / ${data.height}`;
  frame.style.width = `min(100%, calc(${data.maxHeight} * ${data.width / data.height}))`;
  const show = (at) => {
    const uri = data.images[at];
    if (uri.startsWith('data:image/') && image.src !== uri) image.src = uri;
    image.alt = data.alts[at];
    said.querySelector('i').style.background = data.said[at].colour;
    said.querySelector('b').textContent = data.said[at].word;
    said.querySelector('span').textContent = data.said[at].text;
    input.setAttribute('aria-valuetext', `severity ${at}: ${data.said[at].word}`);
  };
  input.max = last;
  input.setAttribute('aria-label', data.label);
  ticks.replaceChildren(...data.images.map((_, at) => Object.assign(document.createElement('span'), { textContent: at || 'as it is' })));
  // A page that was drawn for an older move must not pull the slider back.
  if (root.dataset.given !== String(data.at) || root.dataset.of !== data.images[last]) input.value = data.at;
  root.dataset.given = data.at;
  root.dataset.of = data.images[last];
  // The turn makes a second release at one severity, after Back, another one.
  input.oninput = () => show(Number(input.value));
  input.onchange = () => setStateValue('released', { severity: Number(input.value), turn: Date.now() });
  show(Number(input.value));
}
