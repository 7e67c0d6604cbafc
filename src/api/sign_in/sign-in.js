"use strict";

const form = document.getElementById("sign-in");
const field = document.getElementById("token");
const trouble = document.getElementById("trouble");
const button = form.querySelector("button");

// What the daemon says of a refusal, or what can be said without it.
async function reason(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `the daemon answers ${answer.status}`;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  trouble.textContent = "";
  button.disabled = true;
  try {
    const answer = await fetch("/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: field.value.trim() }),
    });
    if (answer.ok) {
      field.value = "";
      window.location.reload();
      return;
    }
    trouble.textContent =
      answer.status === 401 ? "This is no token of this daemon." : await reason(answer);
  } catch {
    trouble.textContent = "The daemon does not answer.";
  }
  button.disabled = false;
  field.select();
});
