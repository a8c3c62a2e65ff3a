(function () {
  "use strict";
  var form = document.getElementById("filter"), table = document.getElementById("requests");
  if (!form || !table) { return; }
  var size = 50, page = 0, names = ["q", "kind", "outcome", "from", "to"];
  var rows = Array.prototype.slice.call(table.tBodies[0].rows);
  var told = document.getElementById("told"), pager = document.getElementById("pager");
  var back = document.getElementById("back"), next = document.getElementById("next");
  var field = function (name) { return form.elements.namedItem(name); };
  var given = new URLSearchParams(location.hash.slice(1));
  names.forEach(function (name) { if (field(name) && given.get(name)) { field(name).value = given.get(name); } });
  page = Math.max(0, (parseInt(given.get("page"), 10) || 1) - 1);
  function fits(row, wanted) {
    var data = row.dataset, day = data.day || "";
    return (!wanted.kind || data.kind === wanted.kind) && (!wanted.outcome || data.outcome === wanted.outcome) &&
      (!wanted.from || day >= wanted.from) && (!wanted.to || (day && day <= wanted.to)) &&
      (!wanted.q || row.textContent.toLowerCase().indexOf(wanted.q) >= 0);
  }
  function show() {
    var wanted = {}, kept = new URLSearchParams();
    names.forEach(function (name) {
      var value = field(name) ? field(name).value.trim() : "";
      wanted[name] = name === "q" ? value.toLowerCase() : value;
      if (value) { kept.set(name, value); }
    });
    var found = rows.filter(function (row) { return fits(row, wanted); });
    var pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(page, pages - 1);
    if (page > 0) { kept.set("page", String(page + 1)); }
    rows.forEach(function (row) { row.hidden = true; });
    found.slice(page * size, (page + 1) * size).forEach(function (row) { row.hidden = false; });
    var first = found.length ? page * size + 1 : 0, last = Math.min((page + 1) * size, found.length);
    told.textContent = found.length ? first + " to " + last + " of " + found.length + (found.length < rows.length ? " that fit" : "") + ", page " + (page + 1) + " of " + pages : "No request fits.";
    back.disabled = page === 0;
    next.disabled = page >= pages - 1;
    try { history.replaceState(null, "", kept.toString() ? "#" + kept : location.pathname); } catch (_) { /* a page from a file may not */ }
  }
  function anew() { page = 0; show(); }
  form.addEventListener("input", anew);
  form.addEventListener("submit", function (event) { event.preventDefault(); anew(); });
  form.addEventListener("reset", function () { setTimeout(anew, 0); });
  back.addEventListener("click", function () { page -= 1; show(); });
  next.addEventListener("click", function () { page += 1; show(); });
  form.hidden = false;
  pager.hidden = false;
  show();
})();
