// The theme that was chosen, before the page is painted for the first time; chat.css has the rest.
(function () {
  "use strict";
  try {
    const theme = localStorage.getItem("moonpool.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is forbidden here: the system's theme it is.
  }
})();
