// A button that fetches a file from the kernel when it is pressed, and hands it to the browser.
function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lm-Widget jupyter-widgets jupyter-button widget-button kv-button kv-download";
  let requested = false;

  const label = () => {
    button.textContent = model.get("description");
    button.title = model.get("tooltip");
    button.setAttribute("aria-label", model.get("tooltip"));
  };
  const ask = () => {
    requested = true;
    button.disabled = true;
    model.send({ kind: "ask" });
  };
  const receive = (message, buffers) => {
    if (!requested) return; // another view of the same button was pressed
    requested = false;
    button.disabled = false;
    if (message.kind !== "file") return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([buffers[0]], { type: message.mime }));
    link.download = message.name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  label();
  el.classList.add("kv-download-holder");
  el.append(button);
  button.addEventListener("click", ask);
  model.on("change:description change:tooltip", label);
  model.on("msg:custom", receive);
  return () => {
    model.off("change:description change:tooltip", label);
    model.off("msg:custom", receive);
  };
}

export default { render };
