// Passkeys need a script: only it can ask the browser for one. The answer goes
// into a form of the page, which is then sent like any other.
"use strict";

(() => {
  if (!window.PublicKeyCredential || !navigator.credentials) {
    return;
  }
  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (c) => c.charCodeAt(0));
  };
  const text = (buffer) => {
    if (!buffer) {
      return undefined;
    }
    let plain = "";
    for (const b of new Uint8Array(buffer)) {
      plain += String.fromCharCode(b);
    }
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  // Level 3 of WebAuthn has functions for both directions; not every browser does.
  const decode = (options) => {
    const key = options.publicKey;
    key.challenge = bytes(key.challenge);
    if (key.user) {
      key.user.id = bytes(key.user.id);
    }
    for (const list of [key.allowCredentials, key.excludeCredentials]) {
      for (const one of list || []) {
        one.id = bytes(one.id);
      }
    }
    return key;
  };
  const encode = (made) => {
    const r = made.response;
    const response = { clientDataJSON: text(r.clientDataJSON) };
    if (r.attestationObject) {
      response.attestationObject = text(r.attestationObject);
      response.transports = r.getTransports ? r.getTransports() : [];
    } else {
      response.authenticatorData = text(r.authenticatorData);
      response.signature = text(r.signature);
      response.userHandle = text(r.userHandle);
    }
    return JSON.stringify({
      id: made.id,
      rawId: text(made.rawId),
      type: made.type,
      authenticatorAttachment: made.authenticatorAttachment || undefined,
      clientExtensionResults: {},
      response,
    });
  };

  // Shorter than the five minutes in which a challenge can be answered.
  const fresh = 4 * 60 * 1000;

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const button = form.querySelector("button[type=submit]");
    const fault = form.querySelector("[data-fault]");
    let waiting = null; // what aborts the offer in the list of the browser
    let renew = 0;

    const options = async () => {
      const body = new URLSearchParams({ csrf: form.elements.csrf.value });
      const reply = await fetch(form.dataset.options, { method: "POST", body, redirect: "error" });
      if (!reply.ok) {
        throw new Error(String(reply.status));
      }
      return decode(await reply.json());
    };
    const send = (made) => {
      form.elements.answer.value = encode(made);
      form.submit();
    };
    const stop = () => {
      clearTimeout(renew);
      if (waiting) {
        waiting.abort();
        waiting = null;
      }
    };

    // The browser offers passkeys where it offers names and passwords.
    const offer = async () => {
      if (!("autofill" in form.dataset) || !PublicKeyCredential.isConditionalMediationAvailable ||
          !(await PublicKeyCredential.isConditionalMediationAvailable())) {
        return;
      }
      const abort = new AbortController();
      waiting = abort;
      try {
        const publicKey = await options();
        if (abort.signal.aborted) {
          return;
        }
        renew = setTimeout(() => { stop(); offer(); }, fresh);
        const made = await navigator.credentials.get({ publicKey, mediation: "conditional", signal: abort.signal });
        clearTimeout(renew);
        if (made) {
          send(made);
        }
      } catch {
        // The button still works, and so does the password.
      }
    };

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      stop();
      fault.hidden = true;
      button.disabled = true;
      try {
        const publicKey = await options();
        const made = form.dataset.passkey === "create"
          ? await navigator.credentials.create({ publicKey })
          : await navigator.credentials.get({ publicKey });
        send(made);
      } catch {
        button.disabled = false;
        fault.hidden = false;
        offer();
      }
    });
    // Whoever comes back to a page that the browser has kept begins anew.
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) {
        button.disabled = false;
        form.elements.answer.value = "";
      }
    });
    form.hidden = false;
    offer();
  }
})();
