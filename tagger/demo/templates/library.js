// Keeps the grid fresh, and touches the page only when something changed, so that a screen reader is not read the same twice.
const grid = document.getElementById("grid");
let shown = "";
setInterval(async () => {
  if (document.hidden) return;
  const answer = await fetch("/grid").catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = await answer.text();
  if (shown && fresh !== shown) grid.innerHTML = fresh;
  shown = fresh;
}, 1000);
