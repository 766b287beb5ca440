// A link to records opens the table that they are in, where it is folded. Newer browsers do so by themselves, without this
// file as well; in older ones the link would lead to nothing that is seen.
"use strict";
const unfold = (id) => {
  const target = document.getElementById(id);
  const folded = target?.closest("details");
  if (!folded || folded.open) return;
  folded.open = true;
  target.scrollIntoView();
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link) unfold(link.hash.slice(1));
});
unfold(location.hash.slice(1));
