// A grid of pictures with one place of the keyboard in it. The server decides what is shown: which page, in which
// order, which picture enlarged. Whatever a person gave a name is written as text, never as markup.
// The element lives on the root: the function runs again whenever the data changes.

const make = (tag, name, text) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
};
const picture = (source, around) => {
  if (source && source.startsWith("data:image/")) {
    const img = make("img");
    img.src = source;
    img.alt = "";  // the words beside it say what it is
    img.draggable = false;
    around.append(img);
    return img;
  }
  return null;
};
const GLASS = "M10.5 10.5 L14.5 14.5 M6.5 1.5 a5 5 0 1 0 .01 0 M6.5 4.5 v4 M4.5 6.5 h4";

function glass() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", GLASS);
  svg.append(path);
  return svg;
}

// To another page of the dashboard without loading it anew, and with Back as the way back: the address is put into the
// history, and Streamlit told to look at it, as after Back and Forward.
function go(href) {
  history.pushState({}, "", new URL(href, location.href));
  dispatchEvent(new PopStateEvent("popstate"));
}

class Gallery {
  constructor(root) {
    this.root = root;
    this.at = 0;         // the tile that the keyboard is on
    this.enlarged = null;  // its address, while one is enlarged
    this.look = null;
    const find = (name) => root.querySelector(name);
    this.bar = find(".bar.all");
    this.grid = find(".grid");
    this.panel = find(".large");
    this.said = find(".said");
    this.keys = find(".keys");
    this.grid.onkeydown = (event) => this.keyInGrid(event);
    this.panel.onkeydown = (event) => this.keyInPanel(event);
    this.grid.addEventListener("focusin", (event) => {
      const place = [...this.grid.children].indexOf(event.target.closest("li"));
      if (place >= 0) this.stand(place, false);
    });
  }

  update(data, send) {
    this.send = send;
    const turned = this.data && (this.data.page !== data.page || this.data.order !== data.order);
    const same = this.data && JSON.stringify(this.data.tiles) === JSON.stringify(data.tiles);
    const inside = this.grid.contains(this.root.getRootNode().activeElement);
    this.data = data;
    this.root.setAttribute("aria-label", data.label);
    this.drawBar();
    if (!same) {
      this.drawTiles();
      this.stand(turned ? (this.from === "end" ? data.tiles.length - 1 : 0) : this.at, inside || Boolean(this.from));
    }
    this.from = null;
    if (turned) this.said.textContent = `${data.count}, page ${data.page} of ${data.pages}`;
    if (this.enlarged !== null && !data.tiles.some((tile) => tile.href === this.enlarged)) this.close(false);
    if (this.enlarged !== null) this.drawPanel();
  }

  drawBar() {
    const { data } = this;
    this.bar.querySelector(".count").textContent = data.count;
    const sort = this.bar.querySelector("label"), select = sort.querySelector("select");
    sort.hidden = data.orders.length < 2;
    select.replaceChildren(...data.orders.map(([key, title]) => {
      const option = make("option", "", title);
      option.value = key;
      return option;
    }));
    select.value = data.order;
    select.onchange = () => this.send("turned", { order: select.value, page: 1 });
    const pager = this.bar.querySelector(".pager"), [back, on] = pager.querySelectorAll("button");
    pager.hidden = data.pages < 2;
    pager.querySelector("span").textContent = `${data.page} of ${data.pages}`;
    back.disabled = data.page <= 1;
    on.disabled = data.page >= data.pages;
    back.onclick = () => this.turn(-1);
    on.onclick = () => this.turn(1);
    this.bar.hidden = !data.count && sort.hidden && pager.hidden;
    this.keys.textContent = "Arrow keys move, Enter opens" + (data.looks.length ? ", space enlarges, Escape closes." : ".");
  }

  drawTiles() {
    this.grid.replaceChildren(...this.data.tiles.map((tile, place) => {
      const item = make("li"), link = make("a", "tile"), frame = make("span", "frame"), text = make("span", "text");
      if (!picture(tile.src, frame)) frame.append(make("span", "", tile.missing));
      text.append(make("span", "title", tile.title), ...tile.facts.map((fact) => make("span", "fact", fact)));
      text.append(this.words(tile));
      link.append(frame, text);
      if (tile.href) {
        link.href = tile.href;
        link.onclick = (event) => this.open(event, tile);
      }
      link.tabIndex = -1;
      item.append(link);
      if (this.data.looks.length && tile.src) {
        const zoom = make("button", "zoom");
        zoom.type = "button";
        zoom.tabIndex = -1;
        zoom.setAttribute("aria-label", `Enlarge ${tile.title}`);
        zoom.append(glass());
        zoom.onclick = () => { this.stand(place, false); this.enlarge(); };
        item.append(zoom);
      }
      return item;
    }));
  }

  words(tile) {
    const words = make("span", "words");
    for (const [word, tone] of tile.words) {
      const badge = make("span", "word", word);
      badge.dataset.tone = tone;
      words.append(badge);
    }
    return words;
  }

  // One tile is in the order of the Tab key; arrows move between them.
  stand(place, focus) {
    const links = [...this.grid.querySelectorAll(".tile")];
    this.at = Math.min(Math.max(0, place), links.length - 1);
    links.forEach((link, i) => { link.tabIndex = i === this.at ? 0 : -1; });
    if (focus && this.enlarged === null) links[this.at]?.focus();
  }

  columns() {
    const items = [...this.grid.children], top = items[0]?.offsetTop;
    const next = items.findIndex((item) => item.offsetTop !== top);
    return next < 0 ? items.length : next;
  }

  turn(by) {
    const page = this.data.page + by;
    if (page < 1 || page > this.data.pages) return;
    this.send("turned", { order: this.data.order, page });
  }

  open(event, tile) {
    // With a key or another button the browser opens the address in a tab of its own.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
    event.preventDefault();
    go(tile.href);
  }

  keyInGrid(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.data.tiles.length - 1, row = this.columns();
    const to = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, ArrowUp: this.at - row, ArrowDown: this.at + row,
                 Home: 0, End: last }[event.key];
    if (to !== undefined) {
      if (to >= 0 && to <= last) this.stand(to, true);
    } else if (event.key === "PageDown" || event.key === "PageUp") {
      this.from = event.key === "PageDown" ? "start" : "end";
      this.turn(event.key === "PageDown" ? 1 : -1);
    } else if (event.key === " " && event.target.matches(".tile") && this.data.looks.length) {
      this.enlarge();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  enlarge() {
    const tile = this.data.tiles[this.at];
    if (!tile?.src) return;
    this.enlarged = tile.href;
    this.look ??= this.data.looks[0][0];
    this.drawPanel();
    this.panel.focus({ preventScroll: true });
    this.panel.scrollIntoView({ block: "nearest" });
    this.ask();
  }

  ask() { this.send("enlarged", { href: this.enlarged, look: this.look }); }

  close(focus = true) {
    this.enlarged = null;
    this.send("enlarged", null);  // so that it is not sent again with every change
    this.panel.hidden = true;
    this.grid.hidden = this.bar.hidden = false;
    this.drawBar();
    this.stand(this.at, focus);
  }

  step(by) {
    for (let place = this.at + by; place >= 0 && place < this.data.tiles.length; place += by) {
      if (!this.data.tiles[place].src) continue;
      this.stand(place, false);
      this.enlarge();
      return;
    }
  }

  drawPanel() {
    const { data, panel } = this, tile = data.tiles.find((one) => one.href === this.enlarged);
    const there = data.large && data.large.href === this.enlarged && data.large.look === this.look ? data.large : null;
    panel.hidden = false;
    this.grid.hidden = this.bar.hidden = true;
    panel.setAttribute("aria-label", `${tile.title}, enlarged`);
    panel.setAttribute("aria-busy", String(!there));
    panel.querySelector(".where").textContent = `${this.at + 1} of ${data.tiles.length}`;
    const [back, on] = panel.querySelectorAll(".steps button");
    back.onclick = () => this.step(-1);
    on.onclick = () => this.step(1);
    const looks = panel.querySelector(".looks");
    if (looks.children.length !== data.looks.length)
      looks.replaceChildren(...data.looks.map(([, title]) => {
        const button = make("button", "", title);
        button.type = "button";
        return button;
      }));
    data.looks.forEach(([key], i) => {
      looks.children[i].setAttribute("aria-pressed", String(key === this.look));
      looks.children[i].onclick = () => {
        this.look = key;
        this.drawPanel();
        this.ask();
      };
    });
    panel.querySelector(".close").onclick = () => this.close();
    const frame = panel.querySelector(".frame"), text = panel.querySelector(".text");
    frame.replaceChildren();
    picture(there?.src || tile.src, frame);
    const open = panel.querySelector(".open");
    open.textContent = data.open;
    open.href = tile.href;
    open.onclick = (event) => this.open(event, tile);
    text.replaceChildren(make("span", "title", tile.title), make("span", "", tile.facts.join(" · ")), this.words(tile));
    text.append(make("span", "note", there ? there.note : "Just a moment …"));
    this.said.textContent = there ? `${tile.title}: ${there.note}` : "";
  }

  keyInPanel(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on_button = event.target.matches("button, a");
    if (event.key === "Escape") this.close();
    else if (event.key === "ArrowLeft" || event.key === "ArrowUp") this.step(-1);
    else if (event.key === "ArrowRight" || event.key === "ArrowDown") this.step(1);
    else if (event.key === "Enter" && !on_button) go(this.enlarged);
    else if (event.key === " " && !on_button) this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  root.gallery ??= new Gallery(root);
  // What is enlarged is kept by the server while other things on the page move; a page is turned once.
  root.gallery.update(data, (name, value) =>
    (name === "enlarged" ? setStateValue : setTriggerValue)(name, value));
}
