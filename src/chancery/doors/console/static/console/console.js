// Light or dark as the person chose, else as the system says.
(function () {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  function apply() {
    const chosen = localStorage.getItem("theme");
    root.setAttribute("data-bs-theme", chosen || (system.matches ? "dark" : "light"));
  }
  apply();
  system.addEventListener("change", apply);
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
    document.querySelectorAll("select[data-submit]").forEach(function (select) {
      select.addEventListener("change", function () { select.form.submit(); });
    });
  });
})();
