// Reports to Python whether the page is dark, so that its pictures can be drawn for it.

/** Whether the page's letters are light. */
function isDark() {
  const style = "display: none; color: var(--jp-ui-font-color1, #1f2328)";
  const probe = make("span", "", document.body, { style });
  const [red, green, blue] = rgb(getComputedStyle(probe).color);
  probe.remove();
  return red + green + blue > 3 * 128;
}

function render({ model }) {
  const report = () => {
    if (model.get("dark") === isDark()) return;
    model.set("dark", isDark());
    model.save_changes();
  };
  report();
  hideLeft(model);
  const observer = onTheme(report);
  return () => observer.disconnect();
}

export default { render };
