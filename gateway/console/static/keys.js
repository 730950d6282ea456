// The keyboard. Runs before the page is drawn, so that no key is lost while the other scripts load.
"use strict";
{
  const $ = (selector) => document.querySelector(selector);
  const rows = () => [...document.querySelectorAll("[data-rows] tbody tr a, [data-rows] tbody tr button")].filter(
    (one, at, all) => at === all.findIndex((other) => other.closest("tr") === one.closest("tr")) && one.offsetParent);
  function moveRow(step) {
    const all = rows();
    const now = all.findIndex((one) => one.closest("tr").contains(document.activeElement));
    all[Math.max(0, Math.min(all.length - 1, now < 0 ? 0 : now + step))]?.focus();
  }
  let going = 0;
  const keys = {
    "/": () => $("[data-search]")?.focus(),
    "?": () => $("#help")?.showModal(),
    j: () => moveRow(1),
    k: () => moveRow(-1),
    e: () => $("[data-edit]:not(:disabled)")?.focus(),
    t: () => $("#theme")?.click(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("#help")?.open) return;
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key === "Escape" && typing) {
      // leaves the field as it is: a search field would be emptied
      event.preventDefault();
      typing.blur();
    }
    if (typing) return;
    if (Date.now() - going < 1500) {
      going = 0;
      const link = $(`nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (event.key === "g") { going = Date.now(); return; }
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
}
