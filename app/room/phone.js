'use strict';
(() => {
  // Whatever the server and the teacher send is set as text, never as markup.
  const EVERY = 2000, CODE = location.pathname.split('/').pop();
  const main = document.getElementById('main'), said = document.getElementById('status');
  const KEPT = 'answer of ' + CODE;
  let drawn = '', note = '', mark = () => {}, timer = 0, busy = false, over = false, lost = '', known = false, proved = false;
  let waiting = null;  // an answer that the server does not have yet; it survives a reload
  try { waiting = JSON.parse(sessionStorage.getItem(KEPT)); } catch { /* no storage: it lives in this page alone */ }

  const make = (tag, properties = {}, ...children) => {
    const node = tag === 'svg' || properties.svg
      ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name === 'svg') continue;
      if (name.startsWith('on')) node[name] = value; else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== ''));
    return node;
  };
  const shape = (tag, properties, ...children) => make(tag, { ...properties, svg: true }, ...children);
  const tell = (text, warn = false) => {
    if (said.textContent !== text) said.textContent = text;
    said.className = warn ? 'warn' : '';
  };
  const number = (value) => String(Number(Number(value).toPrecision(6)));

  // The network.

  const keep = (answer) => {
    waiting = answer;
    try {
      if (answer) sessionStorage.setItem(KEPT, JSON.stringify(answer)); else sessionStorage.removeItem(KEPT);
    } catch { /* as above */ }
  };
  const ask = async (path, body) => {
    const limit = new AbortController(), clock = setTimeout(() => limit.abort(), 8000);
    try {
      const options = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body),
                                                  headers: { 'Content-Type': 'application/json' } };
      const answer = await fetch(CODE + path, { ...options, cache: 'no-store', signal: limit.signal });
      if (!(answer.headers.get('Content-Type') || '').startsWith('application/json')) throw new Error('not ours');
      return { status: answer.status, body: await answer.json() };
    } finally { clearTimeout(clock); }
  };
  const IN = 'Your answer is in. You can change it until the vote ends.';
  const turn = async () => {
    clearTimeout(timer);
    if (busy || over) return;
    if (document.hidden && !waiting) return;  // until somebody looks at it again: visibilitychange
    busy = true;
    const sent = known ? waiting : null;
    try {
      const found = await (known ? sent ? ask('/answer', sent) : ask('/state') : ask('/join', {}));
      if (sent && found.status === 200 && waiting === sent) keep(null);
      if (found.status === 401 && !proved) {
        over = true; tell('This browser keeps no cookies. Allow them for this page, then reload.', true);
      } else if (found.status === 401) known = proved = false;  // a new room that has this code
      lost = '';
      for (const again of unseen.splice(0)) again();
      if (found.status === 200) { proved = known; known = true; show(found.body); }
      else if (found.status === 404) { over = true; keep(null); gone(found.body.problem); }
      else if (found.status !== 401) {
        const later = found.status === 429 || found.status >= 500;
        if (later) { lost = found.body.problem; report(null); }
        else { if (sent && waiting === sent) keep(null); drawn = ''; warn(found.body.problem); }
      }
    } catch { noNetwork(); }
    busy = false;
    if (waiting && waiting !== sent && known && !lost) turn();
    else if (!over) timer = setTimeout(turn, EVERY * (.9 + .2 * Math.random()));
  };
  const send = (ballot, value) => {
    keep({ ballot, value }); mark(value); note = ''; report(null); turn();
  };
  const warn = (text) => { note = text; tell(text, true); };
  const noNetwork = () => {
    lost = 'No network. ' + (waiting ? 'Your answer is kept here and will be sent.' : 'This page tries again.');
    report(null);
  };
  const report = (own) => {
    if (lost) tell(lost, true);
    else if (note) tell(note, true);
    else tell(waiting ? 'Sending …' : own !== null ? IN : '');
  };

  // What is shown.

  const page = (step, title, ...parts) => {
    main.replaceChildren(make('p', { class: 'step' }, step), make('h1', {}, title), ...parts);
  };
  const gone = (problem) => {
    const field = make('input', { id: 'code', autocomplete: 'off', autocapitalize: 'characters', maxlength: '4' });
    page('', problem || 'Which room?', make('form', { onsubmit: (event) => {
      event.preventDefault();
      const code = field.value.trim().toUpperCase();
      if (/^[A-Z0-9]{4}$/.test(code)) location.assign(code);
      else warn('A code has four letters or digits; it is on the wall.');
    } }, make('label', { for: 'code' }, 'The code on the wall'), make('div', { class: 'entry' }, field),
    make('button', { class: 'send' }, 'Go in')));
    tell('');
  };
  const words = (question, answer) => {
    if (answer === null || answer === undefined) return 'none';
    if (question.kind === 'series')
      return answer.map((yes, i) => `${question.items[i].text}: ${yes ? question.yes : question.no}`).join('; ');
    if (question.kind === 'reading') return `${answer.length} of ${question.items.length} images`;
    if (question.options) return (question.options.find((option) => option.key === answer) || {}).text || answer;
    return `${number(answer)} ${question.unit}`.trim();
  };
  // Images, kept while their question is on: going back, and the next one, cost no second way. What did not come is asked
  // for again when the network is back.
  const kept = new Map();
  let keptFor = '', unseen = [];
  const fetched = (state, place) => {
    if (keptFor !== state.ballot) {
      for (const old of kept.values()) old.then((found) => URL.revokeObjectURL(found.bytes)).catch(() => {});
      kept.clear(); unseen = []; keptFor = state.ballot;
    }
    if (!kept.has(place)) {
      const address = `${CODE}/image/${place}?ballot=${encodeURIComponent(state.ballot)}`;
      kept.set(place, fetch(address, { cache: 'no-store' }).then(async (answer) => {
        if (!answer.ok) throw new Error((await answer.json()).problem);
        return { kind: answer.headers.get('X-Image-Kind'), bytes: URL.createObjectURL(await answer.blob()),
                 credit: decodeURIComponent(answer.headers.get('X-Image-Credit') || '') };
      }).catch((error) => { kept.delete(place); throw error; }));
    }
    return kept.get(place);
  };
  const picture = (state, place, alt) => {
    const image = make('img', { alt }), credit = make('p', { class: 'credit' });
    const look = () => fetched(state, place).then((found) => {
      credit.replaceChildren(...(found.kind ? [make('span', { class: 'badge' }, found.kind)] : []), found.credit);
      image.src = found.bytes;
    }).catch(() => {
      credit.textContent = 'The image did not come yet. This page tries again.';
      unseen.push(() => { if (image.isConnected) look(); });
    });
    look();
    return make('div', {}, image, credit);
  };
  const ahead = (state, item) => [item && item.image, item && item.map].filter((place) => Number.isInteger(place))
    .forEach((place) => fetched(state, place).catch(() => {}));
  const pictured = (state, item) => {  // with a map over it there are two, and a button between them
    const plain = item.image === null ? '' : picture(state, item.image, 'The image in question');
    if (!Number.isInteger(item.map)) return [plain];
    const over = picture(state, item.map, 'The image with the map of the model’s answer over it');
    const turnOver = make('button', { onclick: () => {
      plain.hidden = !plain.hidden; over.hidden = !plain.hidden;
      turnOver.textContent = plain.hidden ? 'Show the image without the map' : 'Show the map: bright is its evidence';
    } }, 'Show the image without the map');
    plain.hidden = true;
    return [over, plain, turnOver];
  };
  const mine = (question, answers) => answers.map((answer, i) => answer === null ? '' : make('p', { class: 'mine' },
    `${i ? 'Your second answer' : 'Your first answer'}: ${words(question, answer)}`)).filter(Boolean);

  const show = (state) => {
    const key = JSON.stringify([state.stage, state.ballot, state.version]);
    const open = state.stage === 'first' || state.stage === 'second';
    if (key !== drawn) {
      if (drawn) note = '';
      drawn = key; mark = () => {};
      if (waiting && waiting.ballot !== state.ballot) keep(null);
      const { question } = state;
      if (state.stage === 'waiting') page('You are in', 'The question will appear here.');
      else if (state.stage === 'talk')
        page('Talk', question.text, make('p', {}, 'Talk to a neighbour who answered otherwise, and explain your ' +
          'answer. You vote again afterwards.'), ...mine(question, [state.mine[0]]));
      else if (state.stage === 'hidden') page('', 'Look at the front.');
      else if (state.stage === 'revealed') reveal(state);
      else {
        const second = state.stage === 'second';
        const before = second ? mine(question, [state.mine[0]]) : [];
        page(second ? 'Second vote' : 'Your vote', question.text, ...before, ...KINDS[question.kind](state));
      }
    }
    const own = open ? state.mine[state.stage === 'second' ? 1 : 0] : null;
    if (open) mark(waiting ? waiting.value : own);
    report(own);
  };

  const KINDS = {
    number: (state) => {
      const { least, most, step, unit } = state.question;
      const range = `From ${number(least)} to ${number(most)}${unit ? ' ' + unit : ''}` +
        (step === 1 ? ', whole numbers.' : `, in steps of ${number(step)}.`);
      const field = make('input', { id: 'number', inputmode: least < 0 ? 'text' : 'decimal', autocomplete: 'off',
                                    'aria-describedby': 'range', enterkeyhint: 'send' });
      const own = make('p', { class: 'mine', hidden: '' });
      mark = (answer) => {
        own.hidden = answer === null;
        if (answer !== null) own.textContent = `Your answer: ${words(state.question, answer)}`;
      };
      return [make('form', { onsubmit: (event) => {
        event.preventDefault();
        const text = field.value.trim().replace(',', '.'), value = Number(text), steps = (value - least) / step;
        const within = text && value >= least && value <= most && Math.abs(steps - Math.round(steps)) < 1e-6;
        if (!within) return warn(range);
        field.blur(); field.value = ''; send(state.ballot, value);
      } }, make('label', { for: 'number' }, 'Your number'), make('div', { class: 'entry' }, field, make('span', {}, unit)),
      make('p', { class: 'hint', id: 'range' }, range), make('button', { class: 'send' }, 'Send')), own];
    },
    line: (state) => {
      const { least, most, unit, below, above, bars } = state.question;
      const LEFT = 44, RIGHT = 330, TOP = 12, FOOT = 120, highest = Math.max(...bars, 0) || 1;
      const at = (value) => LEFT + (value - least) / (most - least) * (RIGHT - LEFT);
      const width = (RIGHT - LEFT) / (bars.length || 1);
      const decimals = Math.max(0, 2 - Math.floor(Math.log10(most - least)));
      const line = shape('line', { class: 'place', y1: TOP, y2: FOOT });
      const knob = shape('circle', { class: 'knob', cy: TOP + 10, r: 11 });
      const plot = make('svg', { viewBox: '0 0 340 164', role: 'slider', tabindex: '0', 'aria-label': 'Place of your line',
                                 'aria-valuemin': least, 'aria-valuemax': most },
        ...bars.map((bar, i) => shape('rect', { class: 'bar', x: LEFT + i * width + .5, width: Math.max(.5, width - 1),
                                                y: FOOT - bar / highest * 86, height: bar / highest * 86 })),
        shape('line', { class: 'axis', x1: LEFT, x2: RIGHT, y1: FOOT, y2: FOOT }),
        shape('text', { x: LEFT, y: FOOT + 18 }, number(least)),
        shape('text', { x: RIGHT, y: FOOT + 18, 'text-anchor': 'end' }, `${number(most)} ${unit}`.trim()),
        below ? shape('text', { x: LEFT, y: FOOT + 38 }, '← ' + below) : '',
        above ? shape('text', { x: RIGHT, y: FOOT + 38, 'text-anchor': 'end' }, above + ' →') : '', line, knob);
      const own = make('p', { class: 'mine', hidden: '' }), button = make('button', { class: 'send', disabled: '' }, 'Send');
      const step = (most - least) / 100;
      let value = null;
      const put = (to) => {
        value = to === null ? null : Number(Math.min(most, Math.max(least, to)).toFixed(decimals));
        const x = value === null ? 16 : at(value);  // before it is placed, the line stands outside of the plot
        line.setAttribute('x1', x); line.setAttribute('x2', x); knob.setAttribute('cx', x);
        button.disabled = value === null;
        button.textContent = value === null ? 'Place the line first' : `Send ${number(value)} ${unit}`.trim();
        plot.setAttribute('aria-valuenow', value === null ? least : value);  // a slider must have one
        plot.setAttribute('aria-valuetext', value === null ? 'not placed yet' : `${number(value)} ${unit}`.trim());
      };
      const follow = (event) => {
        const box = plot.getBoundingClientRect();
        put(least + ((event.clientX - box.left) / box.width * 340 - LEFT) / (RIGHT - LEFT) * (most - least));
      };
      plot.onpointerdown = (event) => { plot.setPointerCapture(event.pointerId); follow(event); };
      plot.onpointermove = (event) => { if (plot.hasPointerCapture(event.pointerId)) follow(event); };
      const nudge = (by) => put(value === null ? (by > 0 ? least : most) : value + by);
      plot.onkeydown = (event) => {
        const by = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -10 * step,
                     PageUp: 10 * step }[event.key];
        if (by) nudge(by); else if (event.key === 'Home') put(least); else if (event.key === 'End') put(most); else return;
        event.preventDefault();
      };
      button.onclick = () => send(state.ballot, value);
      mark = (answer) => {
        own.hidden = answer === null;
        if (answer === null) return;
        own.textContent = `Your line: ${words(state.question, answer)}`;
        if (value === null) put(answer);
      };
      put(null);
      return [make('p', { class: 'hint' }, 'Drag the line into the chart, or tap where it should be.'), plot,
        make('div', { class: 'row' }, make('button', { onclick: () => nudge(-step), 'aria-label': 'A step to the left' }, '←'),
             make('button', { onclick: () => nudge(step), 'aria-label': 'A step to the right' }, '→')), button, own];
    },
    choice: (state) => {
      const buttons = state.question.options.map((option) =>
        make('button', { 'aria-pressed': 'false', onclick: () => send(state.ballot, option.key) }, option.text));
      mark = (answer) => state.question.options.forEach((option, i) =>
        buttons[i].setAttribute('aria-pressed', String(option.key === answer)));
      return [make('div', { role: 'group', 'aria-label': 'Answers' }, ...buttons)];
    },
    diagnosis: (state) => [picture(state, 0, 'The image in question'), ...KINDS.choice(state)],
    series: (state) => {
      const { items, yes, no } = state.question;
      return deck(state, (item, press) => [...pictured(state, item), make('p', {}, item.text),
        make('div', { class: 'pair', role: 'group', 'aria-label': item.text },
             make('button', { onclick: () => press(true) }, yes), make('button', { onclick: () => press(false) }, no))]);
    },
    reading: (state) => deck(state, (item, press) => [...pictured(state, item), model(item),
      make('div', { class: 'pair', role: 'group', 'aria-label': 'Diagnoses' }, ...state.question.options.map((option) =>
        make('button', { onclick: () => press(option.key) }, option.text)))]),
  };
  const model = (item) => item.model === null ? '' : make('p', { class: 'model' }, 'The model says ',
    make('b', {}, item.model.text), `, with a confidence of ${item.model.confidence.toFixed(2)}.`);
  const head = (items, place) => [
    make('p', { class: 'step' }, `${place + 1} of ${items.length}${items[place].arm ? ', ' + items[place].arm : ''}`),
    make('progress', { max: items.length, value: place, 'aria-label': 'How far you are' })];

  // One item at a time, each answered by `press`; the answers go out together, so that each of them is safe at once.
  const deck = (state, card) => {
    const { items } = state.question, box = make('div');
    let answers = [], place = -1, touched = false;
    const draw = (to) => {
      if (to === place) return;
      place = to;
      const press = (answer) => { touched = true; answers = [...answers.slice(0, place), answer]; send(state.ballot, answers); };
      const back = make('button', { onclick: () => {
        touched = true; answers = answers.slice(0, place - 1); draw(place - 1);
      } }, 'One back');
      box.replaceChildren(...(place >= items.length ? [make('p', {}, `All ${items.length} are answered.`), back] : [
        ...head(items, place), ...card(items[place], press), place ? make('p') : '', place ? back : ''].filter(Boolean)));
      ahead(state, items[place + 1]);
    };
    mark = (answer) => {  // the server's answers are those of before, once somebody went on here
      if (!touched) answers = answer || [];
      if (!touched || answer === answers) draw(answers.length);
    };
    return [box];
  };

  // The same items after the reveal, with what is right.
  const leaf = (state, told) => {
    const { items } = state.question, box = make('div');
    const draw = (place) => {
      const go = (to, words) => make('button', { onclick: () => draw(to), ...(items[to] ? {} : { disabled: '' }) }, words);
      box.replaceChildren(...[...head(items, place), ...pictured(state, items[place]), ...told(items[place], place),
        make('div', { class: 'pair' }, go(place - 1, 'Before'), go(place + 1, 'Next'))].filter(Boolean));
    };
    draw(0);
    return box;
  };
  const reveal = (state) => {
    const { question } = state, last = state.mine[1] ?? state.mine[0], parts = [];
    const own = (i, said) => last && i < last.length ? `You said ${said(last[i])}.` : 'You did not answer.';
    if (question.kind === 'reading') {
      const name = (code) => (question.options.find((option) => option.key === code) || {}).text || code;
      const wrong = question.items.map((item, i) => item.planted && item.arm !== 'alone' && last && i < last.length ? i : -1)
        .filter((i) => i >= 0), followed = wrong.filter((i) => name(last[i]) === question.items[i].model.text);
      for (const arm of new Set(question.items.map((item) => item.arm))) {
        const read = question.items.map((item, i) => item.arm === arm && last && i < last.length ? i : -1).filter((i) => i >= 0);
        const right = read.filter((i) => last[i] === question.items[i].right);
        if (read.length) parts.push(make('p', { class: 'mine' }, `You, ${arm}: ${right.length} of ${read.length} right`));
      }
      if (wrong.length) parts.push(make('p', { class: 'mine' }, `You followed ${followed.length} of ${wrong.length} wrong ` +
        'answers of the model'));
      parts.push(make('p', { class: 'hint' }, 'This is teaching, not a test of you.'), leaf(state, (item, i) => [
        make('p', {}, make('b', {}, `It is ${name(item.right)}. `), own(i, name)),
        make('p', {}, `The model says ${item.model.text}` + (item.planted ? ', which is wrong.' : '.'))]));
    } else if (question.kind === 'series' && question.items.some((item) => item.image !== null)) {
      const said = (yes) => yes ? question.yes : question.no;
      parts.push(leaf(state, (item, i) => [make('p', {}, item.text), make('p', {}, item.right === null ? '' :
        make('b', {}, `${said(item.right)}. `), own(i, said))]));
    } else if (question.kind === 'series') {
      parts.push(make('ul', {}, ...question.items.map((item, i) => make('li', {}, `${item.text}: ` +
        (item.right === null ? '' : `${item.right ? question.yes : question.no}. `) +
        (last && i < last.length ? `You said ${last[i] ? question.yes : question.no}.` : 'You did not answer.')))));
    } else {
      if (question.kind === 'diagnosis') parts.push(picture(state, 0, 'The image in question'));
      parts.push(...mine(question, state.mine));
      if (last === null) parts.push(make('p', {}, 'You did not answer this one.'));
      if (question.right !== null) parts.push(make('p', {}, make('b', {}, `${question.options ? 'Right' : 'Measured'}: ` +
        `${words(question, question.right)}`)));
      const chosen = (question.options || []).find((option) => option.key === last);
      if (chosen && chosen.after) parts.push(make('p', {}, chosen.after));
    }
    if (question.after) parts.push(make('p', {}, question.after));
    page('The answers are on the wall', question.text, ...parts);
  };

  document.getElementById('room').textContent = CODE ? 'Room ' + CODE : '';
  document.addEventListener('visibilitychange', () => { if (!document.hidden) turn(); });
  addEventListener('online', turn);
  addEventListener('offline', noNetwork);
  if (CODE) turn(); else gone('');
})();
