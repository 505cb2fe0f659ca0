// Light or dark as the person chose, else as the system says.
(function () {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  function apply() {
    const chosen = localStorage.getItem("theme");
    root.setAttribute("data-bs-theme", chosen || (system.matches ? "dark" : "light"));
  }
  apply();
  root.classList.add("scripted");
  // Shows of a form what belongs to the values that were chosen: data-only holds names of fields and their values.
  function fit(form) {
    form.querySelectorAll("[data-only]").forEach(function (part) {
      const wanted = Object.entries(JSON.parse(part.dataset.only));
      part.toggleAttribute("data-off", !wanted.every(function (one) {
        return one[1].includes(form.elements[one[0]].value);
      }));
    });
    form.querySelectorAll("fieldset, fieldset details").forEach(function (group) {
      const parts = Array.from(group.querySelectorAll(":scope .row > div"));
      group.toggleAttribute("data-off", parts.length > 0 && parts.every(function (part) {
        return part.hasAttribute("data-off");
      }));
    });
  }
  system.addEventListener("change", apply);
  // Puts a file into a field of text: PEM as it is, anything else (a PFX) as Base64. Nothing is sent before the form is.
  function fill(chosen) {
    const file = chosen.files[0];
    if (!file || file.size > 100000) return;
    file.arrayBuffer().then(function (buffer) {
      const raw = Array.from(new Uint8Array(buffer), function (one) { return String.fromCharCode(one); }).join("");
      document.getElementById(chosen.dataset.into).value = raw.includes("-----BEGIN") ? raw : btoa(raw);
      chosen.value = "";
    });
  }
  // A browser that goes back fills in what had been chosen.
  window.addEventListener("pageshow", function () { document.querySelectorAll("form").forEach(fit); });
  document.addEventListener("DOMContentLoaded", function () {
    const button = document.getElementById("theme");
    if (button) button.addEventListener("click", function () {
      localStorage.setItem("theme", root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark");
      apply();
    });
    document.addEventListener("click", function (event) {
      const button = event.target.closest("[data-fill]");
      if (!button) return;
      const field = document.getElementById(button.dataset.fill);
      field.value = button.dataset.value;
      field.focus();
    });
    // What a test that passed was made for is done as soon as the page hears of it.
    document.body.addEventListener("htmx:afterSettle", function () {
      const ready = document.querySelector("[data-save]:not([data-done])");
      if (!ready) return;
      ready.dataset.done = "1";
      document.getElementById(ready.dataset.save).submit();
    });
    document.querySelectorAll("form[data-confirm]").forEach(function (form) {
      form.addEventListener("submit", function (event) {
        if (!window.confirm(form.dataset.confirm)) event.preventDefault();
      });
    });
    // One tick for all rows of a page.
    document.querySelectorAll("input[data-all]").forEach(function (all) {
      all.addEventListener("change", function () {
        document.querySelectorAll("input[name='" + all.dataset.all + "']").forEach(function (one) { one.checked = all.checked; });
      });
    });
    document.addEventListener("change", function (event) {
      if (event.target.matches("input[data-into]")) fill(event.target);
      const form = event.target.form;
      if (event.target.matches("select") && form && form.querySelector("[data-only]")) fit(form);
    });
    document.querySelectorAll("select[data-submit]").forEach(function (select) {
      select.addEventListener("change", function () { select.form.submit(); });
    });
  });
})();
