"use strict";
// What holds the parts of the page together: language, colours, and the mistake that is switched on.
(() => {
  const find = (id) => document.getElementById(id);

  function showLanguage(language) {
    document.documentElement.lang = language;
    location.replace(`#${language}`); // a page that is loaded again keeps its language
    for (const button of document.querySelectorAll("[data-language]")) {
      button.setAttribute("aria-pressed", String(button.dataset.language === language));
    }
    document.title = find("title").querySelector(`[lang="${language}"]`).textContent;
    for (const option of find("mistake").options) option.textContent = option.value ? texts.mistake(option.value) : texts.phrase("noMistake");
    showMistake();
  }

  function showMistake() {
    find("mistake-on").hidden = !example.mistake;
    find("mistake-name").textContent = example.mistake ? texts.mistake(example.mistake) : "";
    stepper.show();
    digits.refresh();
  }

  // Keys move the part that is in the middle of the window.
  function press(event) {
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (isTyping || event.altKey || event.ctrlKey || event.metaKey) return;
    const isDigit = find("third").getBoundingClientRect().top < innerHeight / 2;
    const action = (isDigit ? digits : stepper).keys[event.key];
    if (!action || (event.key === " " && event.target.tagName !== "BODY")) return;
    event.preventDefault();
    action();
  }

  function begin() {
    find("mistake").append(new Option("", ""), ...Object.keys(backprop.MISTAKES).map((name) => new Option(name, name)));
    find("mistake").addEventListener("change", () => {
      example.mistake = find("mistake").value;
      showMistake();
    });
    find("mistake-off").addEventListener("click", () => {
      find("mistake").value = example.mistake = "";
      showMistake();
    });
    for (const button of document.querySelectorAll("[data-language]")) {
      button.addEventListener("click", () => showLanguage(button.dataset.language));
    }
    document.addEventListener("keydown", press);
    charts.begin();
    stepper.begin();
    digits.begin();
    const asked = location.hash.slice(1) || navigator.language || "en";
    showLanguage(asked.startsWith("zh") ? "zh" : "en");
    find("old").hidden = true;
    find("network").hidden = false;
  }

  begin();
})();
