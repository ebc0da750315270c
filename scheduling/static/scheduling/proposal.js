// Proposals: a page that waits asks how far it is, and a patient's box ticks all of their visits. Without it the page
// loads itself anew, and each visit is ticked by its own box.
"use strict";

function wait(place) {
  const said = document.getElementById("progress-said");
  let last = place.firstElementChild?.dataset.said;
  const ask = async () => {
    try {
      const answer = await fetch(place.dataset.poll, { headers: { Accept: "text/html" } });
      if (answer.status === 204 || answer.redirected) return location.reload();
      if (answer.ok) {
        place.innerHTML = await answer.text();
        const now = place.firstElementChild;
        if (now?.dataset.said !== last) {
          last = now?.dataset.said;
          said.textContent = now?.innerText ?? ""; // read out when there is something new, not every second
        }
      }
    } catch {
      // The line is down for a moment: asked again.
    }
    setTimeout(ask, 1000);
  };
  setTimeout(ask, 1000);
}

function tick(form) {
  const count = form.querySelector("[data-count]");
  const show = () => {
    for (const group of form.querySelectorAll("fieldset")) {
      const all = group.querySelector("[data-all]");
      const boxes = [...group.querySelectorAll("input[name=session]:not(:disabled)")];
      if (!all) continue;
      all.hidden = boxes.length < 2;
      all.checked = boxes.length > 0 && boxes.every((box) => box.checked);
      all.indeterminate = !all.checked && boxes.some((box) => box.checked);
    }
    if (count) count.textContent = form.querySelectorAll("input[name=session]:checked").length;
  };
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]"))
      for (const box of event.target.closest("fieldset").querySelectorAll("input[name=session]:not(:disabled)"))
        box.checked = event.target.checked;
    show();
  });
  show();
}

const place = document.querySelector("[data-poll]");
if (place) wait(place);
const form = document.querySelector("form[data-ticks]");
if (form) tick(form);
