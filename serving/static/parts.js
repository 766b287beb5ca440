// What a form answers with takes the place of the part of the page that it is about, and is then read from there on.
// Whatever else comes (an error, another page) is shown as it would be without scripts: the form is sent the plain way.
"use strict";
document.addEventListener("htmx:beforeSwap", (event) => {
  const { requestConfig, xhr } = event.detail;
  if (xhr.getResponseHeader("X-Part")) return;
  event.detail.shouldSwap = false;
  requestConfig.elt.submit(); // the form; the event's own element is the part that it would have changed
});
document.addEventListener("htmx:sendError", (event) => event.detail.elt.submit());
document.addEventListener("htmx:afterSettle", (event) => {
  const { elt } = event.detail;
  (elt.querySelector("[role=alert]") ?? elt.querySelector("[data-told]"))?.focus();
});
