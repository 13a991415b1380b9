// SPDX-License-Identifier: MPL-2.0
// One line plot on a canvas, with its name and newest value below.
"use strict";

class Plot {
  #canvas = document.createElement("canvas");
  #value = document.createElement("output");
  #name;

  constructor(name, parent) {
    this.#name = name;
    const caption = document.createElement("figcaption");
    caption.append(name, this.#value);
    const figure = document.createElement("figure");
    figure.append(this.#canvas, caption);
    parent.append(figure);
  }

  draw(history) {
    const values = history.of(this.#name);
    const known = values.filter((value) => value !== undefined);
    this.#value.textContent = known.at(-1)?.toLocaleString() ?? "–";
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    Object.assign(this.#canvas, { width, height });
    if (known.length === 0) return;
    const [low, high] = [Math.min(0, ...known), Math.max(1, ...known)];
    const context = this.#canvas.getContext("2d");
    context.strokeStyle = "#28c";
    context.lineWidth = 2;
    context.beginPath();
    let isDown = false;
    values.forEach((value, index) => {
      if (value === undefined) {
        isDown = false;
        return;
      }
      const x = (index / (History.LENGTH - 1)) * width;
      const y = height - 2 - ((value - low) / (high - low)) * (height - 4);
      if (isDown) context.lineTo(x, y);
      else context.moveTo(x, y);
      isDown = true;
    });
    context.stroke();
  }
}
