// Says, while a new password is being typed, what the server will say to it. The
// page works without: the server judges what is sent in any case.
"use strict";

for (const input of document.querySelectorAll("input[data-meter]")) {
  const line = document.createElement("p");
  const bar = document.createElement("meter");
  const text = document.createElement("span");
  line.className = "hint meter";
  line.setAttribute("aria-live", "polite");
  bar.min = 0;
  bar.max = 4;
  bar.low = 2;
  bar.high = 3;
  bar.optimum = 4;
  bar.setAttribute("aria-hidden", "true");
  line.append(bar, text);
  line.hidden = true;
  input.closest(".field").append(line);
  const name = input.form.querySelector("input[name=username]");
  let timer = 0;
  let asked = 0;
  const ask = async () => {
    const turn = ++asked;
    if (!input.value) {
      line.hidden = true;
      return;
    }
    try {
      const body = new URLSearchParams({ password: input.value, username: name ? name.value : "" });
      const answer = await fetch(input.dataset.meter, { method: "POST", body, credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.statusText);
      const said = await answer.json();
      if (turn !== asked) return;
      bar.value = said.score;
      text.textContent = said.text;
      line.classList.toggle("bad", !said.ok);
      line.hidden = false;
    } catch {
      line.hidden = true;
    }
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 400);
  });
}
