// The console's behaviour beside htmx: keyboard, theme, live updates, charts. No markup is made from what devices say.
"use strict";
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const counted = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;
const say = (text) => { $("#said").textContent = text; };

// --- theme ---
function toggleTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
  $$("[data-chart]").forEach((one) => one.chart?.redraw());
}
$("#theme")?.addEventListener("click", toggleTheme);

// --- navigation ---
for (const link of $$("nav a[data-key]")) {
  const path = new URL(link.href).pathname;
  if (path === "/" ? location.pathname === "/" || /^\/(devices|meters)\//.test(location.pathname) : location.pathname.startsWith(path)) {
    link.setAttribute("aria-current", "page");
  }
}
$("#help-open")?.addEventListener("click", () => $("#help").showModal());

// --- forms ---
// A filter that was typed into before htmx listened, or that the browser filled in again, is obeyed too.
const isDefault = (field) => field.tagName !== "SELECT" ? field.value === field.defaultValue
  : field.selectedIndex === Math.max(0, [...field.options].findIndex((one) => one.defaultSelected));
document.addEventListener("DOMContentLoaded", () => {
  if ($$("#filter [name]").some((field) => !isDefault(field))) htmx.trigger("#filter", "change");
});
// What a person has begun to type is never taken away by an update.
document.addEventListener("input", (event) => event.target.closest("[data-guard]")?.classList.add("dirty"));
// A file is read into the field that it is chosen for, and judged there as if it had been typed.
document.addEventListener("change", async (event) => {
  const { files, dataset } = event.target;
  if (!dataset?.into || !files?.length) return;
  const field = $(dataset.into);
  field.value = await files[0].text();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
// The gateway sends HX-Trigger: acted where a form did what it was for.
document.addEventListener("acted", (event) => {
  const guard = event.target.closest("[data-guard]");
  if (!guard) return;
  guard.classList.remove("dirty");
  guard.acted = true;
  refresh(guard);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (button && !confirm(button.dataset.confirm)) { event.preventDefault(); event.stopImmediatePropagation(); }
}, true);
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && $("#notice")) $("#notice").replaceChildren();
});
document.addEventListener("htmx:sendError", () => {
  $("#notice").textContent = "The gateway is not responding; this page may be out of date.";
});
// What a person has opened stays open when it is fetched anew: known by its summary or, where that is said of several, data-keep.
const opened = new Set();
const foldName = (fold) => fold.dataset.keep ?? $("summary", fold).textContent;
document.addEventListener("htmx:beforeSwap", (event) => {
  for (const fold of $$("details", event.target)) opened[fold.open ? "add" : "delete"](foldName(fold));
});
document.addEventListener("htmx:afterSwap", (event) => {
  for (const fold of $$("details", event.target)) if (opened.has(foldName(fold))) fold.open = true;
});
document.addEventListener("htmx:afterSettle", (event) => {
  const told = $("[data-say]", event.target) ?? (event.target.matches("[data-say]") ? event.target : null);
  if (told) say(told.dataset.say);
  ages();
  startCharts();
});

// A list that is fetched anew keeps the rows that were scrolled to.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.target.matches("[data-list]")) event.detail.parameters.shown = $$("tbody tr", event.target).length;
});
// A form that a person is at is neither fetched anew nor, where that was under way when they began, replaced.
function isBusy({ verb, elt }) {
  return verb === "get" && elt.matches("[data-guard]")
    && (elt.matches(".dirty") || !elt.acted && elt.contains(document.activeElement));
}
function keepEdit(element) {
  say("This has changed in the meantime; your edits are kept.");
  $("[data-stale]", element)?.removeAttribute("hidden");
}
document.addEventListener("htmx:beforeRequest", (event) => {
  if (isBusy(event.detail.requestConfig)) event.preventDefault();
});
// What is typed is checked, which breaks off a fetch that was under way: what it would have told is told all the same.
document.addEventListener("htmx:sendAbort", (event) => {
  const asked = event.detail.requestConfig;
  if (isBusy(asked)) keepEdit(asked.elt);
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const asked = event.detail.requestConfig;
  if (!isBusy(asked)) { asked.elt.acted = false; return; }
  event.detail.shouldSwap = false;
  keepEdit(asked.elt);
});

// --- ages ---
function ages() {
  for (const one of $$("time[data-age]")) {
    const seconds = Math.max(0, (Date.now() - Date.parse(one.dateTime)) / 1000);
    const [amount, unit] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"]
      : seconds < 129600 ? [seconds / 3600, "hour"] : [seconds / 86400, "day"];
    const text = new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.round(amount), unit);
    if (one.textContent !== text) one.textContent = text;
  }
}
setInterval(ages, 5000);

// --- live updates ---
// An element with data-follow (kinds) and data-device (or none for all) is fetched anew after a change that concerns it;
// a whole list (data-list) less often, as any device that it does not show may concern it.
const pending = new Map();
function refresh(element) {
  if (pending.has(element)) return;
  pending.set(element, setTimeout(() => {
    pending.delete(element);
    if (!element.isConnected) return;
    if (element.matches("#list") && $("#filter.htmx-request, #list.htmx-request")) {
      // one at a time: that answer may be older than this change, and a search must not wait
      refresh(element);
      return;
    }
    if (element.matches(".dirty") || $(".dirty", element)) {
      keepEdit(element);
      return;
    }
    htmx.trigger(element, "refresh");
  }, (element.matches("[data-list]") ? 800 : 150) + Math.random() * 150));
}
function changed(kind, change) {
  for (const element of $$("[data-follow]")) {
    const { follow, device } = element.dataset;
    if (!follow.split(" ").includes(kind)) continue;
    if (device === undefined || change === null || device === change.device) refresh(element);
  }
  const unseen = kind === "device" && $("[data-list]");
  if (unseen && change && !$$("[data-device]", unseen).some((one) => one.dataset.device === change.device)) refresh(unseen);
}
function listen() {
  const light = $("#live");
  if (!light || !window.EventSource) return;
  const source = new EventSource("/api/v1/events/stream");
  const state = (on) => { light.classList.toggle("on", on); light.textContent = on ? "live" : "offline"; };
  source.addEventListener("open", () => state(true));
  source.addEventListener("error", () => state(false));
  source.addEventListener("reset", () => $$("[data-follow], [data-list]").forEach(refresh));
  source.addEventListener("end", () => { source.close(); state(false); });
  for (const kind of ["device", "desired", "reported", "event", "spec", "job", "command", "stage", "software"]) {
    source.addEventListener(kind, (event) => changed(kind, JSON.parse(event.data)));
  }
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
}
listen();

// --- charts ---
const STEP_MS = 5000, PAGES = 12;
async function readings(chart, from) {
  const query = new URLSearchParams({ obis: chart.dataset.obis, from: new Date(from).toISOString(), limit: 10000 });
  const found = [];
  for (let page = 0; page < PAGES; page += 1) {
    const response = await fetch(`/api/v1/meters/${encodeURIComponent(chart.dataset.meter)}/readings?${query}`);
    if (!response.ok) throw new Error(response.status === 503 ? "the database can't be reached right now" : `the gateway answered ${response.status}`);
    const document_ = await response.json();
    found.push(...document_.items);
    if (!document_.next) break;
    query.set("cursor", document_.next);
    query.set("to", document_.to);
  }
  return found;
}
// 24 hours, in the browser's time zone
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const part = (seconds, options) => new Intl.DateTimeFormat("en-GB", options).format(new Date(seconds * 1000));
const day = (seconds) => part(seconds, { day: "numeric", month: "short" });
// Ticks that are closer than a minute need their seconds, or each says the same.
function ticks(_, all) {
  const clock = all.some((one) => one % 60) ? { ...CLOCK, second: "2-digit" } : CLOCK;
  return all.map((one, at) => part(one, clock) + (at === 0 || day(one) !== day(all[at - 1]) ? `\n${day(one)}` : ""));
}
// What there is, and no less than a minute of it: uPlot would draw one value alone on an axis of years.
function span(times, hours) {
  const now = Date.now() / 1000;
  if (!times.length) return { min: now - hours * 3600, max: now };
  const room = Math.max(0, 60 - (times.at(-1) - times[0])) / 2;
  return { min: times[0] - room, max: times.at(-1) + room };
}
// A value that does not change is a line in the middle, at a scale of its own size.
function range(low, high) {
  if (low === null) return [0, 1];
  if (low !== high) return uPlot.rangeNum(low, high, 0.08, true);
  const room = Math.abs(low) * 0.05 || 1;
  return [low - room, high + room];
}
// as wide as the longest number beside it wants
const room = (_, texts) => Math.max(50, 18 + 8 * Math.max(0, ...(texts ?? []).map((one) => one.length)));
function draw(element, times, values) {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink"), line = style.getPropertyValue("--line");
  const { name, unit, hours } = element.dataset;
  element.plot?.destroy();
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  element.plot = new uPlot({
    width: element.clientWidth, height: 250,
    scales: { y: { range: (_, low, high) => range(low, high) } },
    axes: [{ ...axis, space: 72, values: ticks }, { ...axis, size: room }],
    series: [{ label: "Time", value: (_, at) => at ? `${day(at)} ${part(at, { ...CLOCK, second: "2-digit" })}` : "–" },
      { label: name, stroke: style.getPropertyValue("--accent"), width: 2, spanGaps: false, value: (_, value) => value === null || value === undefined ? "–" : `${value} ${unit}`.trim() }],
  }, [times, values], element);
  element.plot.setScale("x", span(times, hours));
}
async function startChart(element) {
  if (element.chart) return;
  const state = { times: [], values: [], redraw: () => draw(element, state.times, state.values) };
  element.chart = state;
  const note = $(`#${CSS.escape(element.getAttribute("aria-describedby"))}`);
  const add = async () => {
    const start = Date.now() - Number(element.dataset.hours) * 3600e3;
    const last = state.times.length ? state.times.at(-1) * 1000 + 1 : start;
    try {
      for (const item of await readings(element, Math.max(start, last))) {
        state.times.push(Date.parse(item.at) / 1000);
        state.values.push(item.value);
      }
    } catch (error) {
      note.textContent = `The chart can't be loaded: ${error.message}.`;
      return;
    }
    const old = state.times.findIndex((time) => time * 1000 >= start);
    if (old > 0) { state.times.splice(0, old); state.values.splice(0, old); }
    note.textContent = state.times.length
      ? `${counted(state.times.length, "reading")}, latest ${state.values.at(-1)} ${element.dataset.unit}` : "No readings in this range.";
    element.dataset.points = state.times.length;
    state.redraw();
  };
  await add();
  const timer = setInterval(() => {
    if (!element.isConnected) { clearInterval(timer); element.plot?.destroy(); return; }
    if (document.visibilityState === "visible") add();
  }, STEP_MS);
}
function startCharts() { if (window.uPlot) $$("[data-chart]").forEach(startChart); }
addEventListener("resize", () => $$("[data-chart]").forEach((one) => one.chart?.redraw()));
ages();
startCharts();

// A field that the gateway finds fault with says so to screen readers too.
function faults() {
  for (const field of $$("form.parameters [aria-describedby]")) {
    const told = document.getElementById(field.getAttribute("aria-describedby").split(" ")[0]);
    field.setAttribute("aria-invalid", String(Boolean(told?.classList.contains("error"))));
  }
}
// htmx gives a swapped element its new class a moment later
document.addEventListener("htmx:oobAfterSwap", () => setTimeout(faults, 60));
