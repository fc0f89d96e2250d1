// What every page must be for all: names, contrast, order, checked in the page itself.

/** Runs in the page. Answers what is wrong, a line each. */
export function findFaults() {
  const faults = [];
  const isShown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    !element.closest("[inert]") && element.getBoundingClientRect().width > 1;
  const describe = (element) => `<${element.tagName.toLowerCase()}${element.id ? ` #${element.id}` : ""}${
    element.className ? ` .${element.className}` : ""}>`;
  const textOf = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
  const nameOf = (element) => (element.getAttribute("aria-label") ??
    (element.hasAttribute("aria-labelledby") ? textOf(element.getAttribute("aria-labelledby")) : null) ??
    (element.labels?.length ? element.labels[0].textContent : element.textContent)).trim();

  const modal = document.querySelector("dialog:modal");
  const root = modal ?? document.body;
  for (const element of root.querySelectorAll("button, a[href], input, textarea, [tabindex], [role=log], nav, aside, dialog")) {
    if (isShown(element) && !nameOf(element)) faults.push(`no name: ${describe(element)}`);
  }
  for (const element of document.querySelectorAll("[tabindex]")) {
    if (Number(element.getAttribute("tabindex")) > 0) faults.push(`an order of its own: ${describe(element)}`);
  }
  for (const image of document.querySelectorAll("img")) {
    if (!image.hasAttribute("alt")) faults.push(`no alt: ${describe(image)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of new Set(ids.filter((other, i) => ids.indexOf(other) !== i))) faults.push(`twice: #${id}`);
  for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(/\s+/)) {
        if (!document.getElementById(id)) faults.push(`${attribute} of nothing: ${describe(element)}`);
      }
    }
  }
  for (const button of root.querySelectorAll("button")) {
    const { width, height } = button.getBoundingClientRect();
    if (isShown(button) && (width < 24 || height < 24)) faults.push(`${width} x ${height} pixels: ${describe(button)}`);
  }
  if (!document.documentElement.lang) faults.push("no lang");
  if (document.querySelectorAll("main").length !== 1) faults.push("not one main");

  // Contrast (WCAG 2.2, 1.4.3), with colours as the browser itself paints them.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return { r, g, b, a: a / 255 };
  };
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((value) => (value /= 255, value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const ground = rgba(getComputedStyle(at).backgroundColor);
      if (ground.a > 0.99) return ground;
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor);
  };
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !isShown(element)) continue;
    const style = getComputedStyle(element), a = luminance(rgba(style.color)), b = luminance(groundOf(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const isLarge = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) faults.push(`contrast ${ratio.toFixed(2)}: ${describe(element)} "${element.textContent}"`);
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
  return [...new Set(faults)];
}
