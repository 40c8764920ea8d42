// Tables and tiles. A cell is a text, an element, or {text, look}; what comes from the database is only ever text.

export const NARROW = matchMedia("(max-width: 44rem)").matches;
const SHOWN = NARROW ? 3 : 7;
const opened = new Set();

function filled(element, cell) {
  if (cell instanceof Element) {
    element.append(cell);
  } else if (cell !== null && typeof cell === "object") {
    const span = document.createElement("span");
    span.textContent = cell.text;
    if (cell.look) span.className = cell.look;
    element.append(span);
  } else {
    element.textContent = cell;
  }
  return element;
}

function row(columns, cells) {
  const line = document.createElement("tr");
  line.setAttribute("role", "row");
  cells.forEach((cell, n) => {
    const box = filled(document.createElement(n ? "td" : "th"), cell);
    box.setAttribute("role", n ? "cell" : "rowheader");
    if (n) box.dataset.label = columns[n].name;
    if (columns[n].look) box.className = columns[n].look;
    line.append(box);
  });
  return line;
}

function head(columns) {
  const line = document.createElement("tr"), top = document.createElement("thead");
  line.setAttribute("role", "row");
  for (const { name, look } of columns) {
    const box = document.createElement("th");
    box.setAttribute("role", "columnheader");
    box.scope = "col";
    box.textContent = name;
    if (look) box.className = look;
    line.append(box);
  }
  top.setAttribute("role", "rowgroup");
  top.append(line);
  return top;
}

// The roles say what it is where a narrow screen shows it as no table.
export function table(place, caption, columns, rows, empty, shown = SHOWN) {
  if (!rows.length) {
    const said = document.createElement("p");
    said.className = "note";
    said.textContent = empty;
    return place.replaceChildren(...(empty ? [said] : []));
  }
  const whole = document.createElement("table"), title = document.createElement("caption");
  const body = document.createElement("tbody"), lines = rows.map((cells) => row(columns, cells));
  whole.setAttribute("role", "table");
  body.setAttribute("role", "rowgroup");
  title.textContent = caption;
  body.append(...lines);
  whole.append(title, head(columns), body);
  const older = lines.slice(shown), had = document.activeElement?.dataset?.opens === place.id;
  place.replaceChildren(whole, ...(older.length ? [opener(place, older, rows.length)] : []));
  if (had) place.querySelector("button")?.focus();
}

function opener(place, older, all) {
  const button = document.createElement("button");
  const say = () => {
    const open = opened.has(place.id);
    for (const line of older) line.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? `Show the first ${all - older.length}` : `Show all ${all}`;
  };
  button.type = "button";
  button.dataset.opens = place.id;
  button.addEventListener("click", () => {
    opened.has(place.id) ? opened.delete(place.id) : opened.add(place.id);
    say();
  });
  say();
  return button;
}

export function tiles(place, pairs) {
  place.replaceChildren(...pairs.map(([name, value]) => {
    const box = document.createElement("div"), term = document.createElement("dt");
    term.textContent = name;
    box.append(term, filled(document.createElement("dd"), value));
    return box;
  }));
}
