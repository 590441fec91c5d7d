"use strict";
/* What the parts of the page share. Data only ever becomes text nodes and properties, never markup. */
const page = {};

page.byId = (id) => document.getElementById(id);

/** Make an element that holds text or other nodes; what is null is left out. */
page.make = (tag, className, ...children) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null));
  return element;
};

page.button = (label, action) => {
  const button = page.make("button", "", label);
  button.type = "button";
  button.addEventListener("click", action);
  return button;
};

/** Read a value that the page carries compressed. */
page.unpack = (id) => {
  const bytes = Uint8Array.from(atob(page.byId(id).textContent.trim()), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
};
