// A link to sign in with has its secret behind `#`, which browsers send to nobody: it is sent on from here.

const card = document.querySelector("[data-sign-in]");
const secret = location.hash.slice(1);

if (card && secret) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = card.querySelector("[data-link-form]");
  form.elements.link.value = secret;
  form.hidden = false;
  form.requestSubmit();
}
