// What a reader of this page would see, with everything opened that can be: an object that can become JSON.
(async () => {
  document.querySelectorAll("details").forEach(one => { one.open = true; });
  const root = document.documentElement;
  const words = one => (one.tagName + " " + (one.id || one.getAttribute("class") || "") + " " + one.textContent.trim()).slice(0, 90);
  const inside = one => one.closest(".box") && !one.matches(".box"); // it scrolls there
  const overflow = [...document.body.querySelectorAll("*")].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && !inside(one) && (box.right > root.clientWidth + 0.5 || box.left < -0.5);
  }).map(words);
  if (root.scrollWidth > root.clientWidth) overflow.push("the page is " + root.scrollWidth + " wide");

  const pictures = [...document.querySelectorAll("img, image")];
  const failed = await Promise.all(pictures.map(async one => {
    const copy = new Image();
    copy.src = one.getAttribute("src") || one.getAttribute("href");
    try { await copy.decode(); } catch (error) { return words(one) + error; }
    return copy.naturalWidth > 1 ? "" : "empty";
  }));
  const links = [...document.querySelectorAll("a[href^='#'], use")].map(one => one.getAttribute("href").slice(1));
  const named = one => (one.getAttribute("alt") || one.getAttribute("aria-label") || "").trim();

  const numbers = text => (text.match(/[\d.]+/g) || []).map(Number);
  const over = (front, back) => {
    const alpha = front.length > 3 ? front[3] : 1;
    return [0, 1, 2].map(part => alpha * front[part] + (1 - alpha) * back[part]);
  };
  const ground = one => {
    if (one === null) return [255, 255, 255];
    return over(numbers(getComputedStyle(one).backgroundColor), ground(one.parentElement));
  };
  const light = colour => {
    const parts = colour.slice(0, 3).map(part => part / 255).map(part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const contrast = (first, second) => {
    const [low, high] = [light(first), light(second)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const faint = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const owner = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !owner.getClientRects().length) continue;
    const back = ground(owner);
    const ratio = contrast(over(numbers(getComputedStyle(owner).color), back), back);
    texts += 1;
    if (ratio < 4.5) faint.push(ratio.toFixed(2) + " " + words(owner));
  }
  const bars = [...document.querySelectorAll(".track span")].map(one => {
    const [own, whole] = [one, one.parentElement].map(each => each.getBoundingClientRect());
    const back = ground(one.parentElement);
    return {
      start: (own.left - whole.left) / whole.width,
      share: own.width / whole.width,
      pixels: whole.width,
      contrast: contrast(numbers(getComputedStyle(one).backgroundColor), back),
    };
  });
  const charts = [...document.querySelectorAll("svg.chart")].filter(one => one.getClientRects().length).map(one => {
    const styles = [...one.querySelectorAll("path, use")].map(each => getComputedStyle(each));
    return {
      form: one.getAttribute("class"),
      pixels: one.getBoundingClientRect().width,
      points: one.viewBox.baseVal.width,
      colours: [...new Set(styles.flatMap(each => [each.fill, each.stroke]))].filter(each => each.startsWith("rgb")).map(numbers),
    };
  });
  return {
    window: innerWidth,
    charts,
    overflow,
    failedImages: failed.filter(Boolean),
    images: pictures.length,
    missingTargets: links.filter(id => !document.getElementById(id)),
    unnamed: [...document.querySelectorAll("img, [role=img], [role=region]")].filter(one => !named(one)).map(words),
    texts,
    faint,
    background: ground(document.body),
    bars,
    lang: root.lang,
    title: document.title,
    headings: [...document.querySelectorAll("h1, h2, h3, h4")].map(one => Number(one.tagName[1])),
  };
})()
