// Passkeys: asks the browser for one and puts its answer, in the JSON form of WebAuthn level 3, into the form.
(function () {
  function bytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, function (one) { return one.charCodeAt(0); });
  }
  function text(buffer) {
    const plain = Array.from(new Uint8Array(buffer), function (one) { return String.fromCharCode(one); }).join("");
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  }
  function list(known) {
    return (known || []).map(function (one) { return Object.assign({}, one, { id: bytes(one.id) }); });
  }
  function options(asked) {
    const key = Object.assign({}, asked.publicKey, { challenge: bytes(asked.publicKey.challenge) });
    if (key.user) key.user = Object.assign({}, key.user, { id: bytes(key.user.id) });
    key.allowCredentials = list(key.allowCredentials);
    key.excludeCredentials = list(key.excludeCredentials);
    return { publicKey: key };
  }
  function answer(found) {
    const response = {};
    ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"].forEach(function (name) {
      if (found.response[name]) response[name] = text(found.response[name]);
    });
    return JSON.stringify({
      id: found.id,
      rawId: text(found.rawId),
      type: found.type,
      response: response,
      clientExtensionResults: found.getClientExtensionResults(),
    });
  }
  document.addEventListener("DOMContentLoaded", function () {
    if (!window.PublicKeyCredential) return;
    document.querySelectorAll("form[data-passkey]").forEach(function (form) {
      form.hidden = false;
      form.addEventListener("submit", function (event) {
        event.preventDefault();
        fetch(form.dataset.challenge)
          .then(function (response) { return response.json(); })
          .then(function (asked) { return navigator.credentials[form.dataset.passkey](options(asked)); })
          .then(function (found) {
            form.elements.credential.value = answer(found);
            form.submit();
          })
          .catch(function () { form.querySelector("[data-failed]").hidden = false; });
      });
    });
  });
})();
