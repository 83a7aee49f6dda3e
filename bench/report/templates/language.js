"use strict";
// The languages of the page. All words are in it, by key; the one that the root element names is shown.
const spoken = (() => {
  const root = document.documentElement;
  const words = JSON.parse(document.getElementById("words").textContent);

  // The words of a key, with values for their named places, such as {name}.
  function say(key, values = {}, language = root.lang) {
    return words[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  // Write words into an element, which follows the language from then on.
  function write(element, key) {
    element.dataset.text = key;
    element.textContent = say(key, element.dataset);
  }

  // The language to show first: what the reader has chosen in this tab before, else Chinese to a browser that asks for
  // it, else that of the page.
  function first() {
    const chosen = history.state?.language;
    if (chosen in words) return chosen;
    const known = navigator.languages.map((tag) => tag.split("-")[0].toLowerCase()).filter((tag) => tag in words);
    return known[0] === "zh" ? "zh" : root.lang;
  }

  function choose(language) {
    root.lang = language;
    for (const element of document.querySelectorAll("[data-text]")) write(element, element.dataset.text);
    for (const element of document.querySelectorAll("[data-label]")) {
      element.setAttribute("aria-label", say(element.dataset.label, element.dataset));
    }
    for (const button of document.querySelectorAll(".language button")) {
      button.setAttribute("aria-pressed", button.value === language);
    }
    document.dispatchEvent(new Event("spoken"));
  }

  for (const button of document.querySelectorAll(".language button")) {
    button.addEventListener("click", () => {
      history.replaceState({ language: button.value }, ""); // a reload keeps it; nothing is stored
      choose(button.value);
    });
  }
  choose(first());
  document.querySelector(".language").hidden = false;
  return { say, write };
})();

