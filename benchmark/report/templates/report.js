"use strict";
// All values are read from the page's tables as text. No number exists twice.
(() => {
  document.documentElement.classList.add("js");
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const tip = document.getElementById("tip");
  const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

  function element(name, text, ...classes) {
    const made = document.createElement(name);
    made.textContent = text;
    made.classList.add(...classes);
    return made;
  }

  // Show the tip to the right of (x, y), or to the left if there is no room.
  function showTip(x, y, ...content) {
    tip.replaceChildren(...content);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    const left = x + 14 + width <= room ? x + 14 : x - 14 - width;
    tip.style.left = `${clamp(left, 4, Math.max(4, room - width - 4)) + scrollX}px`;
    tip.style.top = `${clamp(y - height / 2, 4, Math.max(4, innerHeight - height - 4)) + scrollY}px`;
  }

  function hideTip() {
    tip.hidden = true;
    all(".cursor").forEach((cursor) => cursor.setAttribute("visibility", "hidden"));
    all(".on").forEach((cell) => cell.classList.remove("on"));
  }

  // The checkboxes that show and hide methods.
  const boxes = all(".legend input");
  const shown = (key) => boxes.find((box) => box.dataset.key === key).checked;

  function applySwitches() {
    all(".curves [data-key]").forEach((group) => group.toggleAttribute("hidden", !shown(group.dataset.key)));
    hideTip();
  }

  boxes.forEach((box) => box.addEventListener("change", applySwitches));
  all(".legend button").forEach((button) => button.addEventListener("click", () => {
    boxes.forEach((box) => { box.checked = button.dataset.all === "true"; });
    applySwitches();
  }));

  // The curves' values after a task, best first, from the table below the figure.
  function valuesAfter(svg, task) {
    const table = svg.parentElement.querySelector("table");
    const cells = table.tBodies[0].rows[task - 1].cells;
    return [...table.tHead.rows[0].cells]
      .map((head, n) => ({ key: head.dataset.key, label: head.textContent, text: cells[n].textContent.trim() }))
      .filter(({ key, text }) => key !== undefined && text && shown(key))
      .sort((one, other) => parseFloat(other.text) - parseFloat(one.text));
  }

  function readCurves(svg, task) {
    const x = Number(svg.dataset.first) + (task - 1) * Number(svg.dataset.step);
    const cursor = svg.querySelector(".cursor");
    hideTip();
    svg.dataset.task = task;
    cursor.setAttribute("transform", `translate(${x} 0)`);
    cursor.setAttribute("visibility", "visible");
    const rows = valuesAfter(svg, task).map(({ key, label, text }) => {
      const row = element("div", "", "row");
      const name = element("span", "");
      const swatch = document.querySelector(`.legend [data-key="${key}"] + .swatch`).cloneNode(true);
      name.append(swatch, element("span", label));
      row.append(name, element("span", text));
      return row;
    });
    const box = svg.getBoundingClientRect();
    showTip(box.left + (x / svg.viewBox.baseVal.width) * box.width, box.top + box.height / 2,
      element("b", `after ${task} ${task === 1 ? "task" : "tasks"}, %`), ...rows);
  }

  all(".curves").forEach((svg) => {
    const tasks = Number(svg.dataset.tasks);
    const point = (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      const task = 1 + Math.round((x - Number(svg.dataset.first)) / Number(svg.dataset.step));
      readCurves(svg, clamp(task, 1, tasks));
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerleave", hideTip);
    svg.addEventListener("focus", () => { if (svg.matches(":focus-visible")) readCurves(svg, tasks); });
    svg.addEventListener("blur", hideTip);
    svg.addEventListener("keydown", (event) => {
      const now = Number(svg.dataset.task || tasks);
      const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 1, End: tasks }[event.key];
      if (event.key === "Escape") hideTip();
      if (next === undefined) return;
      event.preventDefault();
      readCurves(svg, clamp(next, 1, tasks));
    });
  });

  // The accuracy matrices and the bars of forgetting.
  function readMatrix(cell) {
    const row = cell.parentElement.rowIndex;
    const column = cell.cellIndex;
    hideTip();
    cell.classList.add("on");
    const box = cell.getBoundingClientRect();
    const value = element("div", "");
    const said = cell.textContent ? element("b", `${cell.textContent} %`) : "not measured";
    value.append(`after task ${row}: `, said, ` on task ${column}`);
    showTip(box.right, box.top + box.height / 2, value);
  }

  all(".heat").forEach((table) => {
    const size = table.tBodies[0].rows.length;
    const at = (row, column) => table.tBodies[0].rows[clamp(row, 1, size) - 1].cells[clamp(column, 1, size)];
    const point = (event) => {
      const cell = event.target.closest("tbody td");
      if (cell) readMatrix(cell);
    };
    let place = [size, 1];
    table.addEventListener("pointermove", point);
    table.addEventListener("pointerdown", point);
    table.addEventListener("pointerleave", hideTip);
    table.addEventListener("focus", () => { if (table.matches(":focus-visible")) readMatrix(at(...place)); });
    table.addEventListener("blur", hideTip);
    table.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (event.key === "Escape") hideTip();
      if (!step) return;
      event.preventDefault();
      place = place.map((now, n) => clamp(now + step[n], 1, size));
      readMatrix(at(...place));
    });
  });

  all(".bars").forEach((svg) => {
    const bars = all("rect", svg);
    const point = (event) => {
      const right = bars.findIndex((bar) => bar.getBoundingClientRect().right >= event.clientX);
      const task = right < 0 ? bars.length : right + 1;
      const said = element("div", `forgetting of task ${task}: `);
      said.append(element("b", bars[task - 1].dataset.say));
      hideTip();
      showTip(event.clientX, event.clientY, said);
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerleave", hideTip);
  });

  // A dialog that shows one matrix large enough to read its numbers.
  const large = document.getElementById("large");
  all(".enlarge").forEach((button) => button.addEventListener("click", () => {
    const copy = button.closest("figure").querySelector(".heat").cloneNode(true);
    copy.removeAttribute("tabindex");
    hideTip();
    all(".on", copy).forEach((cell) => cell.classList.remove("on"));
    large.querySelector(".scroll").replaceChildren(copy);
    large.showModal();
  }));
  large.addEventListener("click", (event) => { if (event.target === large) large.close(); });
  addEventListener("scroll", hideTip, { passive: true });
})();
