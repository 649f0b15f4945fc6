// Keeps #live fresh, and touches it only when something changed, so that a screen reader is not read the same twice.
// While somebody types into it, it stays as it is.
const live = document.getElementById("live");
let shown = "";
const typing = () =>
  live.contains(document.activeElement) && document.activeElement.matches("input, textarea")
  || [...live.querySelectorAll("textarea, input:not([type=hidden])")].some((field) => field.value !== field.defaultValue);
const look = async () => {
  if (document.hidden) return;
  const answer = await fetch(live.dataset.from).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = await answer.text();
  if (shown && fresh !== shown) {
    if (typing()) return;
    live.innerHTML = fresh;
  }
  shown = fresh;
};
look();
setInterval(look, 1000);
