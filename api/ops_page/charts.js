// Small charts as SVG, each with its sentence for who does not see it. Classes give colours; text is only ever text.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 170, LEFT = 44, RIGHT = 8, TOP = 8, BOTTOM = 22;

// Of the place itself, so that letters are as large as everywhere.
const wide = (place) => Math.max(240, Math.round(place.clientWidth));

function drawn(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function picture(width, height, sentence) {
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": sentence });
  svg.append(drawn("title", {}, sentence));
  return svg;
}

function above(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 1.5, 2, 3, 5, 8, 10].map((step) => step * power).find((bound) => bound >= value * 0.999);
}

function frame(svg, width, top, say, names, right = width - RIGHT) {
  for (const part of [0, 0.5, 1]) {
    const y = HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
    svg.append(drawn("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
    svg.append(drawn("text", { x: LEFT - 5, y: y + 4, "text-anchor": "end" }, say(part * top)));
  }
  const both = names.length > 1 && right - LEFT > 140;
  const ends = both ? [[0, "start", LEFT], [names.length - 1, "end", right]] : [[0, "start", LEFT]];
  for (const [place, anchor, x] of ends) {
    if (names.length) svg.append(drawn("text", { x, y: HEIGHT - 6, "text-anchor": anchor }, names[place]));
  }
}

const height = (value, top) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);

function path(values, x, y) {
  let pen = "M";
  const steps = [];
  values.forEach((value, place) => {
    if (value === null) { pen = "M"; return; }
    steps.push(`${pen}${x(place).toFixed(1)} ${y(value).toFixed(1)}`);
    pen = "L";
  });
  return steps.join("");
}

function keys(series) {
  const list = document.createElement("ul");
  list.className = "keys";
  for (const { name, look, line, marked } of series) {
    const item = document.createElement("li");
    const svg = drawn("svg", { viewBox: "0 0 22 10", "aria-hidden": "true" });
    const box = marked ? `M0 0H10V10H0Z${mark(17, 9)}` : "M0 0H22V10H0Z";
    svg.append(drawn("path", line ? { class: `line ${look}`, d: "M0 5H22" } : { class: `bar ${look}`, d: box }));
    item.append(svg, name);
    list.append(item);
  }
  return list;
}

function show(place, parts) {
  place.replaceChildren(...parts);
}

function nothing(place, sentence) {
  const said = document.createElement("p");
  said.className = "note";
  said.textContent = sentence;
  show(place, [said]);
}

// series: [{name, look, values, points}], null where a value is not known; names: one for each place
export function lines(place, { names, series, say, sentence, empty, bound }) {
  const all = series.flatMap((each) => each.values).filter((value) => value !== null);
  if (!all.length) return nothing(place, empty);
  const top = above(Math.max(...all, bound ?? 0)), width = wide(place), svg = picture(width, HEIGHT, sentence);
  const x = (n) => LEFT + (names.length > 1 ? n / (names.length - 1) : 0.5) * (width - LEFT - RIGHT);
  const y = (value) => height(value, top);
  frame(svg, width, top, say, names);
  if (bound) svg.append(drawn("line", { class: "bound", x1: LEFT, x2: width - RIGHT, y1: y(bound), y2: y(bound) }));
  for (const { look, values, points } of series) {
    svg.append(drawn("path", { class: `line ${look}`, d: path(values, x, y) }));
    const lone = (n) => (values[n - 1] ?? null) === null && (values[n + 1] ?? null) === null;
    values.map((_, n) => points?.[n] ?? (lone(n) ? look : null)).forEach((mark, n) => {
      if (mark && values[n] !== null) svg.append(drawn("circle", { class: mark, cx: x(n), cy: y(values[n]), r: 3.5 }));
    });
  }
  show(place, [svg, keys(series.map((each) => ({ ...each, line: true })))]);
}

const mark = (x, y) => `M${(x - 4).toFixed(1)} ${(y - 7).toFixed(1)}h8l-4 6Z`;

// series: [{name, look, values, marked}]; one that is marked has a triangle above each place where it is not 0.
export function stacks(place, { names, series, say, sentence, empty }) {
  const totals = names.map((_, n) => series.reduce((sum, each) => sum + each.values[n], 0));
  if (!totals.length) return nothing(place, empty);
  const top = above(Math.max(...totals)), width = wide(place), svg = picture(width, HEIGHT, sentence);
  const step = Math.min(40, (width - LEFT - RIGHT) / names.length), base = names.map(() => 0);
  frame(svg, width, top, say, names, Math.min(width - RIGHT, LEFT + names.length * step));
  for (const { look, values, marked } of series) {
    const boxes = values.map((value, n) => {
      const [from, to] = [height(base[n], top), height(base[n] + value, top)];
      base[n] += value;
      const x = LEFT + n * step, broad = Math.max(1, step - 1);
      return value ? `M${x.toFixed(1)} ${from.toFixed(1)}h${broad.toFixed(1)}V${to.toFixed(1)}h-${broad.toFixed(1)}Z` : "";
    });
    const marks = values.map((value, n) => (marked && value ? mark(LEFT + (n + 0.5) * step, height(totals[n], top)) : ""));
    svg.append(drawn("path", { class: `bar ${look}`, d: [...boxes, ...marks].join("") }));
  }
  show(place, [svg, keys(series)]);
}

export function spark(values, bound, sentence) {
  const width = 140, high = 28, top = Math.max(...values, bound) * 1.05, svg = picture(width, high, sentence);
  const x = (n) => 2 + (values.length > 1 ? n / (values.length - 1) : 0.5) * (width - 4);
  const y = (value) => high - 2 - (value / top) * (high - 4);
  svg.append(drawn("line", { class: "bound", x1: 0, x2: width, y1: y(bound), y2: y(bound) }));
  svg.append(drawn("path", { class: "line a", d: path(values, x, y) }));
  svg.append(drawn("circle", { class: "a", cx: x(values.length - 1), cy: y(values.at(-1)), r: 2.5 }));
  return svg;
}
