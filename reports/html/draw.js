"use strict";

const config = {
  background: "transparent",
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: {
    domainColor: "var(--line)", tickColor: "var(--line)", gridColor: "var(--line)", gridOpacity: 0.6,
    labelColor: "var(--dim)", titleColor: "var(--dim)", titleFontWeight: "normal", labelOverlap: "greedy",
    labelFontSize: 11, titleFontSize: 11,
  },
  axisX: { grid: false },
};

// The interpreter of expressions, unlike their compiler, needs no permission that a page should not have.
const options = { renderer: "svg", actions: false, ast: true, defaultStyle: false, config };

async function draw(place, spec) {
  try {
    await vegaEmbed(place, spec, options);
    return true;
  } catch (error) {
    place.textContent = `This picture could not be drawn: ${error.message}`;
    place.classList.add("failed");
    return false;
  }
}
