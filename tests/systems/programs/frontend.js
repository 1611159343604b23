fetch("/api/v1/currencies/latest").then(r => r.json()).then(l => { document.getElementById("rates").textContent = JSON.stringify(l); });
