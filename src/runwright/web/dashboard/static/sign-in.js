// A sign-in link has its secret after `#`, which browsers do not send; this submits it.

const card = document.querySelector("[data-sign-in]");
const secret = location.hash.slice(1);

if (card && secret) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = card.querySelector("[data-link-form]");
  form.elements.link.value = secret;
  form.hidden = false;
  form.requestSubmit();
}
