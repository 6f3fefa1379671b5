"""The page that a share link leads to.

The token is in the fragment of the URL, which no browser sends: neither this server nor anything
on the way has it in a log, and whoever merely opens the link uses nothing up.
"""

from __future__ import annotations

import base64
import hashlib

_SCRIPT = """
const form = document.querySelector("form"), said = document.querySelector("output");
const get = (path, token) => fetch(path, {headers: {Authorization: "Bearer " + token}});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = {token: location.hash.slice(1)};
  if (form.code.value) asked.passcode = form.code.value;
  const answer = await fetch("/v1/links/redeem", {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(asked),
  });
  const found = await answer.json();
  if (!answer.ok) { said.textContent = found.detail; return; }
  const {kind, id} = found.grant.resource;
  const action = found.grant.actions.includes("read") ? "read" : "export";
  const asking = new URLSearchParams({purpose: found.grant.purpose, action});
  form.hidden = true;
  document.querySelector("#notice").textContent = found.notice.text;
  if (kind === "document") {
    const content = await get(`/v1/documents/${id}/content?${asking}`, found.access_token);
    if (!content.ok) { said.textContent = (await content.json()).detail; return; }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await content.blob());
    link.download = id; link.textContent = "Save the document";
    said.replaceChildren(link);
  } else {
    const path = kind === "record" ? `/v1/records/${id}?${asking}` : `/v1/collections/${id}/items`;
    const shown = await (await get(path, found.access_token)).json();
    said.textContent = JSON.stringify(shown.data ?? shown.items ?? shown, null, 2);
  }
});
"""

LINK_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Shared with you</title>
</head>
<body>
<h1>Something was shared with you</h1>
<p>It can be opened a limited number of times. Opening it is recorded.</p>
<noscript>This page needs JavaScript.</noscript>
<form>
<label>Pass-code, if you were told one <input name="code" type="password"></label>
<button>Open</button>
</form>
<p id="notice"></p>
<pre><output></output></pre>
<script>{_SCRIPT}</script>
</body>
</html>
"""

_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
LINK_PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'sha256-{_HASH}'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
