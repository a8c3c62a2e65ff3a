(function () {
  "use strict";
  var key = "dispatch-report-theme", inputs = document.querySelectorAll("input[name=theme]");
  function store(value) { try { if (value === undefined) { return localStorage.getItem(key); } localStorage.setItem(key, value); } catch (_) { /* pages from a file may have no store */ } }
  var kept = store();
  inputs.forEach(function (input) {
    if (input.value === kept) { input.checked = true; }
    input.addEventListener("change", function () { store(input.value); });
  });
})();
