"use strict";
const UNITS = { h: 3600, min: 60, s: 1, ms: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** The number that a cell begins with, in seconds or ones where it has a unit; null for none. */
function value(text) {
  const [, number, unit] = /^<?([+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?)(?: (h|min|ms|s|[kMGT])$)?/.exec(text) || [];
  return number === undefined ? null : Number(number.replaceAll(",", "")) * (UNITS[unit] || 1);
}

/** Make each heading of `table` sort it: one way, the other way, then as it was. */
function sortable(table) {
  const body = table.tBodies[0];
  const lines = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const words = head.classList.contains("words");
    const turns = words ? ["ascending", "descending"] : ["descending", "ascending"];
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const turn = turns[turns.indexOf(head.ariaSort) + 1];
      heads.forEach((other) => { other.ariaSort = null; });
      if (turn) head.ariaSort = turn;
      const sign = turn === "descending" ? -1 : 1;
      const text = (line) => line.cells[place].textContent;
      const compare = (a, b) => {
        if (words) return sign * text(a).localeCompare(text(b));
        const [x, y] = [value(text(a)), value(text(b))];
        return (x === null) - (y === null) || sign * (x - y);
      };
      body.append(...(turn ? [...lines].sort(compare) : lines));
    });
  });
}

document.querySelectorAll("table").forEach(sortable);
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
});
