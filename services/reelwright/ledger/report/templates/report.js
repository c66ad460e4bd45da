"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const viewer = byId("viewer"), stage = byId("stage"), split = byId("split"), divider = byId("divider");
  const before = byId("before"), after = byId("after"), missing = byId("missing"), where = byId("where");
  const shots = [...document.querySelectorAll(".shot")];
  const zooms = [...document.querySelectorAll("[data-zoom]")];
  // The part of the picture in view: magnification, and the picture's corner as a share of the stage.
  const view = { zoom: 1, x: 0, y: 0 };
  const mask = byId("mask"), marks = byId("marks");
  let current = 0, showsMarks = false;

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  function showSplit() {
    stage.style.setProperty("--split", `${split.value}%`);
    split.setAttribute("aria-valuetext", `${Math.round(split.value)} % source`);
  }

  function showView() {
    view.x = clamp(view.x, 1 - view.zoom, 0);
    view.y = clamp(view.y, 1 - view.zoom, 0);
    stage.style.setProperty("--zoom", view.zoom);
    stage.style.setProperty("--x", `${100 * view.x}%`);
    stage.style.setProperty("--y", `${100 * view.y}%`);
    stage.classList.toggle("zoomed", view.zoom > 1);
    zooms.forEach((button) => button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === view.zoom)));
  }

  function zoomTo(zoom, x = 0.5, y = 0.5) {
    // Zooms around the point (x, y) of the stage.
    view.x = x - ((x - view.x) * zoom) / view.zoom;
    view.y = y - ((y - view.y) * zoom) / view.zoom;
    view.zoom = zoom;
    showView();
  }

  function showMarks() {
    const { mask: source, marked } = shots[current].dataset, known = marked !== undefined;
    marks.disabled = !known;
    marks.title = known ? marked : "Only the shots in the list of strips have it";
    marks.setAttribute("aria-pressed", String(known && showsMarks));
    mask.hidden = !(known && showsMarks && source);
    if (mask.hidden) mask.removeAttribute("src"); else mask.src = source;
  }

  function showShot(index, focus = false) {
    current = clamp(index, 0, shots.length - 1);
    const shot = shots[current], data = shot.dataset;
    // The comparison needs both pictures.
    const pair = Boolean(data.before && data.after);
    for (const [image, source] of [[before, data.before], [after, data.after]]) {
      image.hidden = !pair;
      if (pair) image.src = source; else image.removeAttribute("src");
    }
    missing.hidden = pair;
    shots.forEach((other) => {
      other.tabIndex = other === shot ? 0 : -1;
      other.setAttribute("aria-current", String(other === shot));
    });
    where.textContent = `Shot ${data.shot} of ${viewer.dataset.shots}, frame ${Number(data.frame).toLocaleString("en")}, ${data.at}${data.damage ? `: ${data.damage}` : ""}${data.marked ? `; ${data.marked}` : ""}`;
    showMarks();
    byId("previous").disabled = current === 0;
    byId("next").disabled = current === shots.length - 1;
    const strip = byId("strip"), item = shot.parentElement;
    strip.scrollLeft = item.offsetLeft - (strip.clientWidth - item.offsetWidth) / 2;
    if (focus) shot.focus({ preventScroll: true });
  }

  function place(event) {
    const box = stage.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  function moveSplit(event) {
    split.value = String(clamp(100 * place(event).x, 0, 100));
    showSplit();
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const start = place(event), from = { ...view };
    const dividing = divider.contains(event.target) || view.zoom === 1;
    const move = (to) => {
      if (dividing) { moveSplit(to); return; }
      const now = place(to);
      view.x = from.x + now.x - start.x;
      view.y = from.y + now.y - start.y;
      showView();
    };
    const stop = () => {
      stage.removeEventListener("pointermove", move);
      stage.removeEventListener("pointerup", stop);
      stage.removeEventListener("pointercancel", stop);
    };
    stage.setPointerCapture(event.pointerId);
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", stop);
    stage.addEventListener("pointercancel", stop);
    split.focus({ preventScroll: true });
    event.preventDefault();
    if (dividing) moveSplit(event);
  });
  stage.addEventListener("dblclick", (event) => {
    const at = place(event);
    zoomTo(view.zoom === 1 ? 4 : 1, at.x, at.y);
  });
  split.addEventListener("input", showSplit);
  // Arrow keys move in visible steps; the range itself has fine steps for a pointer.
  split.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10 }[event.key];
    if (!step) return;
    event.preventDefault();
    split.value = String(clamp(Number(split.value) + step, 0, 100));
    showSplit();
  });
  zooms.forEach((button) => button.addEventListener("click", () => zoomTo(Number(button.dataset.zoom))));
  marks.addEventListener("click", () => { showsMarks = !showsMarks; showMarks(); });
  byId("previous").addEventListener("click", () => showShot(current - 1));
  byId("next").addEventListener("click", () => showShot(current + 1));
  shots.forEach((shot, index) => shot.addEventListener("click", () => showShot(index)));
  byId("strip").addEventListener("keydown", (event) => {
    const to = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: shots.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    showShot(to, true);
  });

  // Of a film with more shots than are shown, the shot before it that is shown.
  document.querySelectorAll("[data-goto]").forEach((button) => button.addEventListener("click", () => {
    const later = shots.findIndex((shot) => Number(shot.dataset.shot) > Number(button.dataset.goto));
    showShot((later < 0 ? shots.length : later) - 1);
    viewer.scrollIntoView({ block: "start" });
  }));

  stage.style.setProperty("--aspect", viewer.dataset.aspect);
  showSplit();
  showView();
  // Start at the shot with the largest JPEG: title cards and fades compress to small ones.
  const detail = shots.map((shot) => shot.dataset.after.length);
  const telling = detail.findIndex((length) => length >= 0.6 * Math.max(...detail));
  if (shots.length) showShot(telling);
})();
