"use strict";
// Plotly travels compressed, which makes the page half as large.
const plotlyReady = (async () => {
  const packed = Uint8Array.from(atob(document.querySelector("#plotly").textContent.trim()), letter => letter.charCodeAt(0));
  const code = new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
  const script = document.createElement("script");
  script.textContent = await code.text();
  document.head.append(script);
})();
