// Left and right arrow go to the previous and next student of a meeting, unless somebody is writing or choosing.
// Without this file the same links are there, with their access keys.
"use strict";
document.addEventListener("keydown", (event) => {
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const isPlain = !(event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented);
  if (!rel || !isPlain || event.target.closest("input, select, textarea, [contenteditable]")) return;
  const link = document.querySelector(`a[rel="${rel}"]`);
  if (link) link.click();
});
