// The figure of app/threshold.py. What does not move is drawn once; a move looks sums up and writes a few numbers.
const SVG = 'http://www.w3.org/2000/svg';
const LEFT = 44, RIGHT = 14, LEGEND = 24, ROW = 22, GAP = 40, TICKS = 24, LINE = 17;  // of the plot, px
const CALM = matchMedia('(prefers-reduced-motion: reduce)');

const grouped = new Intl.NumberFormat('en');
const count = (n) => grouped.format(n);
const compact = new Intl.NumberFormat('en', { notation: 'compact' });
const short = (n) => n < 10_000 ? count(n) : compact.format(n);

// A share never reads as all or none when it is not.
const percent = (part, whole) => {
  if (!whole) return 'none';
  const text = (100 * part / whole).toFixed(1);
  if (text === '100.0' && part < whole) return '> 99.9 %';
  if (text === '0.0' && part > 0) return '< 0.1 %';
  return `${text} %`;
};

// The largest of 1, 2, 5 times a power of ten that divides a span into at least so many steps.
const niceStep = (span, steps) => {
  const power = 10 ** Math.floor(Math.log10(span / steps));
  return power * ([5, 2].find((digit) => digit * power <= span / steps * 1.0001) ?? 1);
};

const ticks = (low, high, step) => {
  const found = [];
  for (let k = Math.ceil(low / step - 1e-6); k * step <= high + step * 1e-6; k++) found.push(k * step);
  return found;
};
const decimalsOf = (step) => Math.max(0, Math.ceil(-Math.log10(step) - 1e-6));

const node = (parent, name, attributes, text) => {
  const made = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

// Counts to sums: sums[i] pictures lie on the low side of edge i; see ThresholdBins.
const series = (counts) => {
  const sums = new Float64Array(counts.length - 1);
  let sum = 0;
  counts.forEach((c, i) => { sum += c; if (i < sums.length) sums[i] = sum; });
  return { counts, sums, n: sum };
};

class ThresholdLine {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.plot = this.find('.plot');
    this.handle = this.find('.handle');
    this.at = null;       // index of the edge the line stands on
    this.goal = null;     // where it is on its way to
    this.held = '';       // by a 'pointer', or by 'keys' that were just pressed
    this.turn = 0;        // releases so far
    this.veiled = [];     // what shows figures of an earlier threshold
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.find('.frame'));
  }

  // From the server, at each rerun that changes something.
  receive(data, setStateValue) {
    this.setStateValue = setStateValue;
    const fresh = data.bins !== this.text;
    const shows = (line) => JSON.stringify([line.own, line.heights]);
    const others = shows(data) !== shows(this);
    Object.assign(this, { own: data.own, heights: data.heights, veils: data.veils });
    if (fresh) {
      const before = this.at === null ? null : this.bins.edges[this.goal];
      cancelAnimationFrame(this.gliding);
      this.text = data.bins;
      this.bins = JSON.parse(data.bins);
      for (const key of ['right', 'wrong', 'melanomaRight', 'melanomaWrong']) this[key] = series(this.bins[key]);
      this.kinds = this.bins.ood_images.map(({ kind, counts }) => ({ kind, ...series(counts) }));
      this.strange = series(this.bins.right.map((_, i) => this.kinds.reduce((sum, k) => sum + k.counts[i], 0)));
      if (before !== null) this.at = this.goal = this.nearest(before);
    }
    // What the server says of an earlier release is old news.
    const news = data.turn >= this.turn;
    if (news) {
      this.turn = data.turn;
      this.given = data.threshold;
    }
    const first = this.at === null;
    if (first) this.at = this.goal = this.nearest(this.given);
    if (fresh || others) this.draw();
    const to = this.nearest(this.given);
    if (news && !this.held && to !== this.goal) this.glide(to);
    if (news && !this.held) this.whenDrawn(() => { if (!this.held && this.turn === data.turn) this.veil(false); });
  }

  // While the line is elsewhere, what the page says of the last threshold is not to be read.
  veil(on) {
    const want = on ? this.veils.flatMap((key) => [...document.querySelectorAll(`.st-key-${CSS.escape(key)}`)]) : [];
    for (const place of this.veiled.filter((place) => !want.includes(place))) {
      place.removeAttribute('aria-busy');
      place.style.filter = place.style.opacity = '';
    }
    for (const place of want) {
      place.setAttribute('aria-busy', 'true');
      Object.assign(place.style, { filter: 'blur(5px)', opacity: '0.5' });
    }
    this.veiled = want;
  }

  // What lies below the frame comes after it: Streamlit says when its script has ended.
  whenDrawn(then) {
    const app = document.querySelector('[data-test-script-state]');
    const runs = () => app?.dataset.testScriptState === 'running' || app?.dataset.testScriptState === 'rerunRequested';
    this.waiting?.disconnect();
    if (!runs()) { then(); return; }
    this.waiting = new MutationObserver(() => { if (!runs()) { this.waiting.disconnect(); then(); } });
    this.waiting.observe(app, { attributeFilter: ['data-test-script-state'] });
  }

  nearest(value) {
    const edges = this.bins.edges;
    let low = 0, high = edges.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (edges[middle] <= value) low = middle; else high = middle;
    }
    return value - edges[low] <= edges[high] - value ? low : high;
  }

  kept(s, i) { return this.bins.reject === 'under' ? s.n - s.sums[i] : s.sums[i]; }
  // Where a pointer is over the plot, in its own pixels: presenter size enlarges them.
  across(event) {
    const box = this.plot.getBoundingClientRect();
    return (event.clientX - box.left) * this.plot.clientWidth / box.width;
  }

  x(value) { return LEFT + (value - this.low) / (this.high - this.low) * this.width; }
  shown(value) { return value.toFixed(this.bins.decimals); }

  // ---- What stands still.

  draw() {
    const box = { width: this.plot.clientWidth, height: this.plot.clientHeight };
    if (!this.bins || !box.width) return;
    const { edges, bars, quantity } = this.bins;
    this.low = edges[bars[0]];
    this.high = edges[bars[bars.length - 1]];
    this.width = box.width - LEFT - RIGHT;
    const top = LEGEND + this.drawMarks() * ROW;
    const title = this.find('.quantity');
    title.textContent = quantity;
    Object.assign(title.style, { left: `${LEFT}px`, width: `${this.width}px` });
    const axis = TICKS + Math.max(LINE, title.offsetHeight);
    const tall = Math.max(40, (box.height - top - GAP - LEGEND - axis) / 2);
    this.panels = [[top, top + tall], [top + tall + GAP + LEGEND, top + 2 * tall + GAP + LEGEND]];
    const svg = this.find('.bars');
    svg.replaceChildren();
    this.drawPanel(svg, this.panels[0], [[this.right, 'fill-right'], [this.wrong, 'outline-wrong']]);
    this.drawPanel(svg, this.panels[1], [[this.strange, 'fill-strange']]);
    const bottom = this.panels[1][1];
    for (const value of this.own) {
      const x = this.x(Math.min(Math.max(value, this.low), this.high));
      const tick = node(svg, 'path', { d: `M${x} ${bottom} l-6 -11 h12 z`, class: 'own' });
      node(tick, 'title', {}, `your image: ${this.shown(value)}`);
    }
    const step = niceStep(this.high - this.low, Math.max(3, this.width / 90));
    for (const value of ticks(this.low, this.high, step)) {
      node(svg, 'text', { x: this.x(value), y: bottom + 17, 'text-anchor': 'middle' }, value.toFixed(decimalsOf(step)));
    }
    title.style.top = `${bottom + TICKS}px`;
    svg.setAttribute('aria-label', `Two histograms over one axis, ${quantity}: dermoscopy answered right `
      + `(${count(this.right.n)}) and wrong (${count(this.wrong.n)}), and OOD images `
      + `(${count(this.strange.n)}). The threshold goes through both.`);
    this.drawWords();
    for (const [i, name] of ['upper', 'lower'].entries()) {
      Object.assign(this.find(`.shade.${name}`).style, { top: `${this.panels[i][0]}px`, height: `${tall}px`, width: '100px' });
    }
    Object.assign(this.find('.line').style, { top: `${top - 6}px`, height: `${bottom - top + 8}px` });
    this.handle.style.top = `${this.panels[0][1] + GAP / 2}px`;
    this.find('.value').style.top = `${bottom + 3}px`;
    for (const word of this.root.querySelectorAll('.word')) word.style.top = `${this.panels[0][1] + GAP / 2 - 10}px`;
    for (const line of this.root.querySelectorAll('.marks i')) line.style.height = `${bottom - parseFloat(line.style.top)}px`;
    this.drawRisk();
    this.drawRoc();
    this.drawKinds();
    this.move(this.at);
  }

  drawPanel(svg, [top, bottom], groups) {
    const { bars } = this.bins;
    const counted = this.heights === 'counts';
    const shares = groups.map(([{ counts, n }]) => bars.slice(1).map((last, b) =>
      counts.slice(bars[b] + 1, last + 1).reduce((sum, c) => sum + c, 0) / (counted ? 1 : n || 1)));
    const most = Math.max(counted ? 1 : 0.01, ...shares.flat());
    const y = (share) => bottom - share / most * (bottom - top - 4);
    const step = counted ? Math.max(1, niceStep(most, 2)) : niceStep(most, 2);
    for (const share of groups.some(([{ n }]) => n) ? ticks(0, most, step) : [0]) {
      node(svg, 'line', { class: share ? 'rule' : 'base', x1: LEFT, x2: LEFT + this.width, y1: y(share), y2: y(share) });
      node(svg, 'text', { x: LEFT - 7, y: y(share) + 4, 'text-anchor': 'end' },
           counted ? short(share || 0) : share ? `${(100 * share).toFixed(decimalsOf(100 * step))} %` : '0 %');
    }
    const border = (b) => this.x(this.bins.edges[bars[b]]);
    groups.forEach(([{ n }, style], g) => {
      if (!n) return;
      const outlined = style.startsWith('outline');
      const path = shares[g].map((share, b) => {
        const gap = outlined ? 0 : 0.75, x0 = border(b) + gap, x1 = border(b + 1) - gap;
        if (!share) return '';
        if (!outlined) return `M${x0} ${bottom}V${y(share)}H${x1}V${bottom}Z`;
        return `${shares[g][b - 1] ? '' : `M${x0} ${bottom}`}V${y(share)}H${x1}${shares[g][b + 1] ? '' : `V${bottom}`}`;
      });
      node(svg, 'path', { class: style, d: path.join('') });
    });
    // What lies beyond the axis is told, not piled on the last bar.
    const beyond = (end) => groups.reduce((sum, [{ counts }]) => sum + counts.at(end), 0);
    const note = (x, anchor, text) => node(svg, 'text', { x, y: top + 14, 'text-anchor': anchor }, text);
    if (beyond(0)) note(LEFT + 6, 'start', `← ${count(beyond(0))} further left`);
    if (beyond(-1)) note(LEFT + this.width - 6, 'end', `${count(beyond(-1))} further right →`);
  }

  drawWords() {
    const { reject } = this.bins;
    const spare = (text) => Object.assign(document.createElement('span'), { className: 'spare', textContent: text });
    const fill = (place, title, unit, entries) => {
      place.replaceChildren(document.createElement('strong'));
      place.firstChild.append(title, spare(`, ${unit}`));
      for (const [style, verb, text] of entries) {
        const entry = place.appendChild(document.createElement('em'));
        entry.appendChild(document.createElement('i')).className = `swatch ${style}`;
        entry.append(spare(verb), text);
      }
    };
    const counted = this.heights === 'counts';
    fill(this.find('.legend.upper'), 'Dermoscopy', counted ? 'images per bar' : 'share of each group per bar',
         [['right', 'answered ', `right, n ${count(this.right.n)}`], ['open', 'answered ', `wrong, n ${count(this.wrong.n)}`]]);
    fill(this.find('.legend.lower'), 'OOD images', counted ? 'images per bar' : 'share per bar',
         [['strange', '', `n ${count(this.strange.n)}`]]);
    this.find('.legend.upper').style.top = '0px';
    this.find('.legend.lower').style.top = `${this.panels[1][0] - LEGEND}px`;
    const [rejected, kept] = ['rejected: a person looks', 'kept: the model answers'];
    this.find('.word.low').textContent = reject === 'under' ? `← ${rejected}` : `← ${kept}`;
    this.find('.word.high').textContent = reject === 'under' ? `${kept} →` : `${rejected} →`;
    this.words = ['low', 'high'].map((side) => this.find(`.word.${side}`).offsetWidth);
    const empty = this.find('.empty');
    empty.textContent = this.strange.n ? '' : 'No OOD images in this run.';
    empty.style.left = `${LEFT + this.width / 2}px`;
    empty.style.top = `${(this.panels[1][0] + this.panels[1][1]) / 2}px`;
    this.find('.melanomas').classList.toggle('none', !(this.melanomaRight.n + this.melanomaWrong.n));
    this.handle.setAttribute('aria-label', `Threshold: reject ${reject} this. ${this.bins.quantity}`);
    this.handle.setAttribute('aria-valuemin', this.bins.edges[0]);
    this.handle.setAttribute('aria-valuemax', this.bins.edges[this.bins.edges.length - 1]);
  }

  // Labels that would touch go to further rows; returns how many rows there are.
  drawMarks() {
    const place = this.find('.marks');
    const focused = [...place.querySelectorAll('button')].indexOf(this.root.getRootNode().activeElement);
    place.replaceChildren();
    const ends = [];
    for (const { value, label } of [...this.bins.marks].sort((a, b) => a.value - b.value)) {
      const x = this.x(value);
      const line = place.appendChild(document.createElement('i'));
      const button = place.appendChild(Object.assign(document.createElement('button'), { type: 'button', textContent: label }));
      button.dataset.value = value;
      button.title = `Put the threshold on ${this.shown(value)}`;
      button.onpointerdown = (event) => event.stopPropagation();
      button.onclick = () => { this.glide(this.nearest(value)); this.release(); };  // which veils, if it is a new one
      const wide = button.offsetWidth;
      const from = Math.min(Math.max(x - wide / 2, LEFT), LEFT + this.width - wide);
      let row = ends.findIndex((end) => end + 6 <= from);
      if (row < 0) row = ends.length;
      ends[row] = from + wide;
      button.style.transform = `translate(${from}px, ${LEGEND + row * ROW}px)`;
      line.style.transform = `translateX(${x - 0.75}px)`;
      line.style.top = `${LEGEND + row * ROW + 20}px`;
    }
    if (focused >= 0) place.querySelectorAll('button')[focused]?.focus({ preventScroll: true });
    return Math.max(1, ends.length);
  }

  // A small chart of shares against shares; returns where a point of it is.
  drawCurve(figure, titles, yMax, alt) {
    const svg = this.find(`.${figure} svg`);
    svg.replaceChildren();
    const { clientWidth: width, clientHeight: height } = svg.parentElement;
    const box = { width, height: height - svg.previousElementSibling.offsetHeight };
    const left = 38, bottom = box.height - 36, top = 26, right = box.width - 8;
    const at = (x, y) => [left + x * (right - left), bottom - Math.min(1, y / yMax) * (bottom - top)];
    const step = niceStep(yMax, 2);
    for (const y of ticks(0, yMax, step)) {
      node(svg, 'line', { class: y ? 'rule' : 'base', x1: left, x2: right, y1: at(0, y)[1], y2: at(0, y)[1] });
      node(svg, 'text', { x: left - 6, y: at(0, y)[1] + 4, 'text-anchor': 'end' },
           y ? `${(100 * y).toFixed(decimalsOf(100 * step))} %` : '0 %');
    }
    for (const x of [0, 0.5, 1]) {
      node(svg, 'text', { x: at(x, 0)[0], y: bottom + 15, 'text-anchor': x === 1 ? 'end' : x ? 'middle' : 'start' },
           `${100 * x} %`);
    }
    node(svg, 'text', { x: right, y: bottom + 31, 'text-anchor': 'end' }, `${titles[0]} →`);
    node(svg, 'text', { x: 0, y: 11 }, `↑ ${titles[1]}`);
    svg.setAttribute('aria-label', alt);
    return { svg, at };
  }

  line(points, at) { return points.map(([x, y], i) => `${i ? 'L' : 'M'}${at(x, y).map((v) => v.toFixed(1)).join(' ')}`).join(''); }

  points({ svg, at }, value) {
    for (const { value: mark, label } of this.bins.marks) {
      const where = value(this.nearest(mark));
      if (!where) continue;
      const [cx, cy] = at(...where);
      node(node(svg, 'circle', { class: 'other', cx, cy, r: 3.5 }), 'title', {}, label);
    }
    return node(svg, 'circle', { class: 'point', r: 7 });
  }

  drawRisk() {
    const risk = (right, wrong) => right + wrong ? [(right + wrong) / this.inside, wrong / (right + wrong)] : null;
    this.inside = this.right.n + this.wrong.n;
    this.riskAt = (i) => risk(this.kept(this.right, i), this.kept(this.wrong, i));
    const all = [...this.bins.edges.keys()].map(this.riskAt).concat([risk(this.right.n, this.wrong.n)])
      .filter(Boolean).sort((a, b) => a[0] - b[0]);
    // The first few pictures' share of errors jumps; it does not set the scale.
    const most = Math.max(0.01, ...all.filter(([coverage]) => coverage >= 0.05).map(([, r]) => r)) * 1.1;
    this.risk = this.drawCurve('risk', ['dermoscopy answered', 'wrong among the answered'], most,
      'Wrong answers among those given, against the share of dermoscopy that is answered');
    node(this.risk.svg, 'path', { d: this.line(all, this.risk.at) });
    this.riskPoint = this.points(this.risk, this.riskAt);
  }

  drawRoc() {
    this.rocAt = (i) => this.strange.n ? [
      1 - (this.kept(this.right, i) + this.kept(this.wrong, i)) / this.inside,
      1 - this.kept(this.strange, i) / this.strange.n] : null;
    this.roc = this.drawCurve('roc', ['dermoscopy rejected', 'OOD images rejected'], 1,
      'Share of OOD images that is rejected, against the share of dermoscopy that is rejected');
    const { svg, at } = this.roc;
    if (!this.strange.n) {
      const [x, y] = at(0.5, 0.25);
      node(svg, 'text', { x, y, 'text-anchor': 'middle' }, 'No OOD images in this run.');
      this.rocPoint = null;
      return;
    }
    node(svg, 'path', { class: 'chance', d: this.line([[0, 0], [1, 1]], at) });
    const all = [[0, 0], [1, 1], ...[...this.bins.edges.keys()].map(this.rocAt)].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    node(svg, 'path', { d: this.line(all, at) });
    this.rocPoint = this.points(this.roc, this.rocAt);
  }

  drawKinds() {
    const place = this.find('.kinds');
    place.replaceChildren();
    if (!this.kinds.length) return;
    place.appendChild(document.createElement('span')).textContent = 'Accepted,\nby kind';
    place.firstChild.style.whiteSpace = 'pre';
    for (const kind of this.kinds) {
      const cell = place.appendChild(document.createElement('div'));
      cell.className = 'kind';
      const write = (tag, style, text) =>
        cell.appendChild(Object.assign(document.createElement(tag), { className: style, textContent: text }));
      cell.title = kind.kind.replaceAll('_', ' ');
      write('span', 'name', cell.title);
      kind.share = write('b', '', '');
      write('span', 'note', `of ${count(kind.n)}`);
      kind.bar = write('div', 'bar', '');
      kind.bar.appendChild(document.createElement('i')).className = 'strange';
    }
  }

  // ---- What moves.

  move(index) {
    this.at = index;
    if (!this.panels) return;  // hidden, so not drawn yet
    const value = this.bins.edges[index];
    const x = this.x(value), start = LEFT, end = LEFT + this.width;
    const under = this.bins.reject === 'under';
    const [from, to] = under ? [start, Math.max(start, x)] : [Math.min(end, x), end];
    for (const shade of this.root.querySelectorAll('.shade')) {
      shade.style.transform = `translateX(${from}px) scaleX(${Math.max(0, to - from) / 100})`;
    }
    const shift = `translateX(${x}px)`;
    this.find('.line').style.transform = shift;
    this.handle.style.transform = shift;
    const pill = this.find('.value');
    pill.textContent = this.shown(value);
    pill.style.transform = `translateX(calc(${x}px - 50%))`;
    const [low, high] = this.root.querySelectorAll('.word');
    low.style.transform = `translateX(${x - 26 - this.words[0]}px)`;
    high.style.transform = `translateX(${x + 26}px)`;
    low.style.visibility = x - 26 - this.words[0] > 0 ? 'visible' : 'hidden';
    high.style.visibility = x + 26 + this.words[1] < end + RIGHT ? 'visible' : 'hidden';

    const right = this.kept(this.right, index), wrong = this.kept(this.wrong, index), kept = right + wrong;
    const through = this.kept(this.strange, index);
    const found = this.kept(this.melanomaRight, index), missed = this.kept(this.melanomaWrong, index);
    const melanomas = this.melanomaRight.n + this.melanomaWrong.n, sent = melanomas - found - missed;
    this.say('kept', percent(kept, this.inside), `${count(kept)} of ${count(this.inside)}`);
    this.say('right', percent(right, kept), kept ? `${count(right)} of ${count(kept)}` : 'nothing is answered');
    this.say('through', percent(through, this.strange.n),
             this.strange.n ? `${count(through)} of ${count(this.strange.n)}` : 'no OOD images in this run');
    this.say('melanomas', '', melanomas ? `Melanomas, n ${count(melanomas)}` : 'No melanomas in this run');
    this.say('found', '', count(found));
    this.say('missed', '', count(missed));
    this.say('sent', '', count(sent));
    const bar = this.find('.melanomas .bar');
    [found, missed, sent].forEach((n, i) => { bar.children[i].style.width = `${melanomas ? 100 * n / melanomas : 0}%`; });
    for (const kind of this.kinds) {
      const k = this.kept(kind, index);
      kind.share.textContent = percent(k, kind.n);
      kind.bar.firstChild.style.width = `${100 * k / kind.n}%`;
    }
    for (const [point, curve, where] of [[this.riskPoint, this.risk, this.riskAt(index)],
                                         [this.rocPoint, this.roc, this.rocAt(index)]]) {
      if (!point) continue;
      point.style.visibility = where ? 'visible' : 'hidden';
      if (!where) continue;
      const [cx, cy] = curve.at(...where);
      point.setAttribute('cx', cx);
      point.setAttribute('cy', cy);
    }
    for (const button of this.root.querySelectorAll('.marks button')) {
      button.setAttribute('aria-pressed', Number(button.dataset.value) === value);
    }
    this.handle.setAttribute('aria-valuenow', value);
    this.handle.setAttribute('aria-valuetext', this.sentence(index));
  }

  sentence(index) {
    const right = this.kept(this.right, index), kept = right + this.kept(this.wrong, index);
    return `${this.shown(this.bins.edges[index])}: answers ${percent(kept, this.inside)} of dermoscopy, right in `
      + `${percent(right, kept)} of it`
      + (this.strange.n ? `, accepts ${percent(this.kept(this.strange, index), this.strange.n)} of OOD images` : '');
  }

  say(name, share, text) {
    const places = this.root.querySelectorAll(`[data-share=${name}], [data-count=${name}]`);
    for (const place of places) {
      const wanted = place.dataset.share ? share : text;
      if (place.textContent !== wanted) place.textContent = wanted;
    }
  }

  // One move a frame, however many events there are.
  want(index) {
    this.goal = index;
    this.veil(this.bins.edges[index] !== this.given);
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.goal !== this.at) this.move(this.goal);
    });
  }

  // A jump is shown as a short way; the line ends where it was sent even if nobody looks.
  glide(index) {
    cancelAnimationFrame(this.gliding);
    const from = this.bins.edges[this.at], to = this.bins.edges[index], began = performance.now();
    this.goal = index;
    if (CALM.matches || index === this.at || document.hidden) { this.move(index); return; }
    const step = (now) => {
      const part = Math.min(1, Math.max(0, (now - began) / 180));
      this.move(part < 1 ? this.nearest(from + (to - from) * (1 - (1 - part) ** 3)) : index);
      if (part < 1) this.gliding = requestAnimationFrame(step);
    };
    this.gliding = requestAnimationFrame(step);
  }

  release() {
    this.held = '';
    clearTimeout(this.timer);
    const threshold = this.bins.edges[this.goal];
    if (threshold === this.given || !this.root.isConnected) { this.whenDrawn(() => this.veil(false)); return; }
    this.given = threshold;
    this.veil(true);
    this.turn += 1;
    this.setStateValue('released', { threshold, turn: this.turn });
    this.find('.said').textContent = this.sentence(this.goal);
  }

  listen() {
    const { plot, handle } = this;
    const follow = (event) => {
      const x = this.across(event) - this.offset;
      this.want(this.nearest(this.low + (x - LEFT) / this.width * (this.high - this.low)));
    };
    plot.onpointerdown = (event) => {
      if (event.button !== 0 || !this.bins) return;
      cancelAnimationFrame(this.gliding);
      clearTimeout(this.timer);
      plot.setPointerCapture(event.pointerId);
      this.held = 'pointer';
      // Whoever takes the handle off its middle does not shift the line by that.
      const off = this.across(event) - this.x(this.bins.edges[this.at]);
      this.offset = handle.contains(event.target) ? off : 0;
      handle.focus({ preventScroll: true });
      follow(event);
      event.preventDefault();
    };
    plot.onpointermove = (event) => { if (plot.hasPointerCapture(event.pointerId)) follow(event); };
    plot.onpointerup = (event) => {
      if (!plot.hasPointerCapture(event.pointerId)) return;
      plot.releasePointerCapture(event.pointerId);
      this.release();
    };
    plot.onpointercancel = () => { this.held = ''; this.veil(false); this.glide(this.nearest(this.given)); };
    handle.onkeydown = (event) => {
      const at = this.goal, last = this.bins.edges.length - 1;
      const { bars } = this.bins;
      const bar = (way) => way > 0 ? bars.find((edge) => edge > at) ?? last : bars.findLast((edge) => edge < at) ?? 0;
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      const to = way ? (event.shiftKey ? bar(way) : at + way)
        : { PageDown: bar(-1), PageUp: bar(1), Home: 0, End: last }[event.key];
      if (to === undefined) return;
      cancelAnimationFrame(this.gliding);
      this.held = 'keys';
      clearTimeout(this.timer);
      this.want(Math.min(last, Math.max(0, to)));
      event.preventDefault();
      event.stopPropagation();
    };
    handle.onkeyup = () => {
      if (this.held !== 'keys') return;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.release(), 300);
    };
    handle.onblur = () => { if (this.held === 'keys') this.release(); };
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector('.threshold');
  root.line ??= new ThresholdLine(root);
  root.line.receive(data, setStateValue);
}
