// Everything works without this file. It counts down until another code may be
// asked for, shows passwords on demand, and posts answers by itself.
"use strict";

for (const form of document.querySelectorAll("form[data-submit]")) {
  form.submit();
}

for (const form of document.querySelectorAll("form[data-wait]")) {
  const line = form.querySelector(".wait");
  const button = form.querySelector("button");
  const text = line.textContent;
  const until = Date.now() + Number(form.dataset.wait) * 1000;
  const lang = document.documentElement.lang;
  const show = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left <= 0) {
      clearInterval(timer);
      line.hidden = true;
      button.disabled = false;
      return;
    }
    const unit = left > 90 ? "minute" : "second";
    const n = left > 90 ? Math.ceil(left / 60) : left;
    const span = new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "long" }).format(n);
    line.textContent = text.replace(/\d+\s\p{L}+/u, span);
  };
  button.disabled = true;
  const timer = setInterval(show, 1000);
  show();
}

for (const box of document.querySelectorAll(".reveal")) {
  const input = box.querySelector("input");
  const button = document.createElement("button");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const eye = "M12 5c5 0 8.5 4 10 7-1.5 3-5 7-10 7s-8.5-4-10-7c1.5-3 5-7 10-7zm0 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8z";
  const struck = eye + "M3.5 2.1 21.9 20.5l-1.4 1.4L2.1 3.5z";
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  icon.append(path);
  button.type = "button";
  button.className = "reveal-button";
  button.append(icon);
  const label = () => {
    const hidden = input.type === "password";
    button.setAttribute("aria-label", hidden ? input.dataset.show : input.dataset.hide);
    path.setAttribute("d", hidden ? eye : struck);
  };
  button.addEventListener("click", () => {
    input.type = input.type === "password" ? "text" : "password";
    label();
  });
  // What is remembered or sent is never a text field.
  input.form.addEventListener("submit", () => { input.type = "password"; });
  label();
  box.classList.add("on");
  box.append(button);
}

for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
