"use strict";
// Replays asciicast data on a small terminal screen. Everything shown goes
// through text nodes: nothing recorded can become markup.
(function () {
  document.documentElement.classList.add("js");
  var palette = ["#5c6370", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#dcdfe4",
    "#7f8896", "#ff8b92", "#b5e08f", "#ffd68a", "#8cc8ff", "#e29bf2", "#7fd5e0", "#ffffff"];

  function color(n) {
    if (n < 16) return palette[n];
    if (n >= 232) { var g = 8 + 10 * (n - 232); return "rgb(" + g + "," + g + "," + g + ")"; }
    n -= 16;
    var step = [0, 95, 135, 175, 215, 255];
    return "rgb(" + step[Math.floor(n / 36) % 6] + "," + step[Math.floor(n / 6) % 6] + "," + step[n % 6] + ")";
  }

  function Screen(cols, rows) { this.cols = cols; this.rows = rows; this.reset(); }
  Screen.prototype = {
    reset: function () {
      this.x = this.y = 0; this.top = 0; this.bottom = this.rows - 1; this.wrap = false;
      this.attr = ""; this.fg = this.bg = null; this.flags = {}; this.saved = null; this.main = null; this.rest = "";
      this.lines = []; for (var i = 0; i < this.rows; i++) this.lines.push(this.blank());
    },
    blank: function () { var l = []; for (var i = 0; i < this.cols; i++) l.push([" ", ""]); return l; },
    resize: function (cols, rows) {
      this.cols = cols; this.rows = rows;
      while (this.lines.length > rows) this.lines.shift();
      while (this.lines.length < rows) this.lines.push(this.blank());
      this.lines.forEach(function (l) { l.length = Math.min(l.length, cols); while (l.length < cols) l.push([" ", ""]); });
      this.top = 0; this.bottom = rows - 1; this.x = Math.min(this.x, cols - 1); this.y = Math.min(this.y, rows - 1);
    },
    scroll: function (n) {
      for (; n > 0; n--) { this.lines.splice(this.top, 1); this.lines.splice(this.bottom, 0, this.blank()); }
      for (; n < 0; n++) { this.lines.splice(this.bottom, 1); this.lines.splice(this.top, 0, this.blank()); }
    },
    down: function () { if (this.y === this.bottom) this.scroll(1); else if (this.y < this.rows - 1) this.y++; },
    put: function (ch) {
      if (this.wrap) { this.x = 0; this.down(); this.wrap = false; }
      this.lines[this.y][this.x] = [ch, this.attr];
      if (this.x === this.cols - 1) this.wrap = true; else this.x++;
    },
    erase: function (y, from, to) { for (var x = from; x < to; x++) this.lines[y][x] = [" ", ""]; },
    style: function () {
      var f = this.flags.inverse ? (this.bg || "#14181f") : this.fg, b = this.flags.inverse ? (this.fg || "#e3e6ea") : this.bg, s = "";
      if (f) s += "color:" + f + ";"; if (b) s += "background:" + b + ";";
      if (this.flags.bold) s += "font-weight:bold;"; if (this.flags.under) s += "text-decoration:underline;";
      this.attr = s;
    },
    sgr: function (p) {
      if (!p.length) p = [0];
      for (var i = 0; i < p.length; i++) {
        var n = p[i];
        if (n === 0) { this.fg = this.bg = null; this.flags = {}; }
        else if (n === 1) this.flags.bold = true; else if (n === 4) this.flags.under = true; else if (n === 7) this.flags.inverse = true;
        else if (n === 22) this.flags.bold = false; else if (n === 24) this.flags.under = false; else if (n === 27) this.flags.inverse = false;
        else if (n >= 30 && n < 38) this.fg = palette[n - 30]; else if (n >= 90 && n < 98) this.fg = palette[n - 82]; else if (n === 39) this.fg = null;
        else if (n >= 40 && n < 48) this.bg = palette[n - 40]; else if (n >= 100 && n < 108) this.bg = palette[n - 92]; else if (n === 49) this.bg = null;
        else if ((n === 38 || n === 48) && p[i + 1] === 5) { if (n === 38) this.fg = color(p[i + 2] & 255); else this.bg = color(p[i + 2] & 255); i += 2; }
        else if ((n === 38 || n === 48) && p[i + 1] === 2) {
          var c = "rgb(" + (p[i + 2] & 255) + "," + (p[i + 3] & 255) + "," + (p[i + 4] & 255) + ")";
          if (n === 38) this.fg = c; else this.bg = c; i += 4;
        }
      }
      this.style();
    },
    csi: function (priv, text, fin) {
      var p = text === "" ? [] : text.split(/[;:]/).map(function (s) { return parseInt(s, 10) || 0; });
      var n = Math.min(Math.max(p[0] || 1, 1), 1000), l = this.lines[this.y], i;
      if (fin !== "m") this.wrap = false;
      switch (fin) {
        case "A": this.y = Math.max(this.y - n, 0); break;
        case "B": this.y = Math.min(this.y + n, this.rows - 1); break;
        case "C": this.x = Math.min(this.x + n, this.cols - 1); break;
        case "D": this.x = Math.max(this.x - n, 0); break;
        case "E": this.x = 0; this.y = Math.min(this.y + n, this.rows - 1); break;
        case "F": this.x = 0; this.y = Math.max(this.y - n, 0); break;
        case "G": case "`": this.x = Math.min(n - 1, this.cols - 1); break;
        case "d": this.y = Math.min(n - 1, this.rows - 1); break;
        case "H": case "f": this.y = Math.min(n - 1, this.rows - 1); this.x = Math.min(Math.max((p[1] || 1) - 1, 0), this.cols - 1); break;
        case "J":
          if (p[0] === 2 || p[0] === 3) { for (i = 0; i < this.rows; i++) this.erase(i, 0, this.cols); }
          else if (p[0] === 1) { for (i = 0; i < this.y; i++) this.erase(i, 0, this.cols); this.erase(this.y, 0, this.x + 1); }
          else { this.erase(this.y, this.x, this.cols); for (i = this.y + 1; i < this.rows; i++) this.erase(i, 0, this.cols); }
          break;
        case "K": if (p[0] === 1) this.erase(this.y, 0, this.x + 1); else this.erase(this.y, p[0] === 2 ? 0 : this.x, this.cols); break;
        case "P": for (i = 0; i < Math.min(n, this.cols); i++) { l.splice(this.x, 1); l.push([" ", ""]); } break;
        case "@": for (i = 0; i < Math.min(n, this.cols); i++) { l.splice(this.x, 0, [" ", ""]); l.pop(); } break;
        case "X": this.erase(this.y, this.x, Math.min(this.x + n, this.cols)); break;
        case "L": case "M":
          if (this.y < this.top || this.y > this.bottom) break;
          var t = this.top; this.top = this.y; this.scroll(Math.min(n, this.rows) * (fin === "M" ? 1 : -1)); this.top = t; break;
        case "S": this.scroll(Math.min(n, this.rows)); break;
        case "T": this.scroll(-Math.min(n, this.rows)); break;
        case "r":
          this.top = Math.min(n - 1, this.rows - 1); this.bottom = Math.min((p[1] || this.rows) - 1, this.rows - 1);
          if (this.bottom <= this.top) { this.top = 0; this.bottom = this.rows - 1; }
          this.x = this.y = 0; break;
        case "m": if (!priv) this.sgr(p); break;
        case "s": this.saved = [this.x, this.y]; break;
        case "u": if (this.saved) { this.x = Math.min(this.saved[0], this.cols - 1); this.y = Math.min(this.saved[1], this.rows - 1); } break;
        case "h": case "l":
          if (priv === "?" && (p[0] === 1049 || p[0] === 47 || p[0] === 1047)) {
            if (fin === "h" && !this.main) { this.main = [this.lines, this.x, this.y]; this.lines = []; for (i = 0; i < this.rows; i++) this.lines.push(this.blank()); this.x = this.y = 0; }
            else if (fin === "l" && this.main) { this.lines = this.main[0]; this.x = this.main[1]; this.y = this.main[2]; this.main = null; this.resize(this.cols, this.rows); }
          }
      }
    },
    write: function (text) {
      var s = this.rest + text; this.rest = "";
      for (var i = 0; i < s.length; i++) {
        var ch = s[i], m;
        if (ch === "\x1b") {
          var tail = s.slice(i, i + 4096);
          if ((m = /^\x1b\[([<-?]?)([0-9;:]*)[ -\/]*([@-~])/.exec(tail))) { this.csi(m[1], m[2], m[3]); i += m[0].length - 1; }
          else if ((m = /^\x1b[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)/.exec(tail))) i += m[0].length - 1;
          else if ((m = /^\x1b[()#% ]./.exec(tail))) i += 2;
          else if (/^\x1b(?:\[[<-?]?[0-9;:]*[ -\/]*|[\]P_^X][^\x07\x1b]*\x1b?|[()#% ])?$/.test(tail) && tail.length < 4096) { this.rest = tail; return; }
          else {
            ch = s[i + 1]; i++;
            if (ch === "M") { if (this.y === this.top) this.scroll(-1); else this.y = Math.max(this.y - 1, 0); }
            else if (ch === "D") this.down(); else if (ch === "E") { this.x = 0; this.down(); }
            else if (ch === "7") this.saved = [this.x, this.y];
            else if (ch === "8" && this.saved) { this.x = Math.min(this.saved[0], this.cols - 1); this.y = Math.min(this.saved[1], this.rows - 1); }
            else if (ch === "c") { var r = this.rest; this.reset(); this.rest = r; }
          }
        } else if (ch === "\n" || ch === "\v" || ch === "\f") { this.wrap = false; this.down(); }
        else if (ch === "\r") { this.x = 0; this.wrap = false; }
        else if (ch === "\b") { this.x = Math.max(this.x - 1, 0); this.wrap = false; }
        else if (ch === "\t") this.x = Math.min(this.x + 8 - this.x % 8, this.cols - 1);
        else if (ch >= " " && ch !== "\x7f") {
          var code = s.codePointAt(i);
          if (code > 0xffff) { ch = String.fromCodePoint(code); i++; }
          this.put(ch);
        }
      }
    },
    draw: function (el) {
      var frag = document.createDocumentFragment(), self = this;
      this.lines.forEach(function (line, y) {
        var run = "", style = null;
        function flush() {
          if (style === null || run === "") return;
          if (style === "") frag.appendChild(document.createTextNode(run));
          else { var s = document.createElement("span"); s.style.cssText = style; s.textContent = run; frag.appendChild(s); }
          run = "";
        }
        line.forEach(function (cell, x) {
          var st = cell[1];
          if (x === self.x && y === self.y) st += "box-shadow:inset 0 0 0 1px #9aa7b8;";
          if (st !== style) { flush(); style = st; }
          run += cell[0];
        });
        flush(); frag.appendChild(document.createTextNode("\n"));
      });
      el.replaceChildren(frag);
    }
  };

  function stamp(t) { t = Math.floor(t); return Math.floor(t / 60) + ":" + ("0" + t % 60).slice(-2); }

  function Player(box, data) {
    var screen = new Screen(data.cols, data.rows), view = box.querySelector(".screen"), seek = box.querySelector(".seek");
    var button = box.querySelector(".play"), now = box.querySelector(".now"), rate = box.querySelector(".rate");
    var events = data.events, marks = data.marks, at = 0, next = 0, timer = null, last = 0;
    var end = events.length ? events[events.length - 1][0] : 0, list = document.querySelector(".commands");
    marks.forEach(function (m) { end = Math.max(end, m.t); });
    seek.max = Math.ceil(end); box.hidden = false;
    var rows = {};
    document.querySelectorAll("tr.cmd[data-terminal]").forEach(function (r) { rows[r.dataset.seq] = r; });
    function apply(e) {
      if (e[1] === "o") screen.write(e[2]);
      else { var m = /^(\d{1,3})x(\d{1,3})$/.exec(e[2]); if (m && +m[1] && +m[2]) screen.resize(+m[1], +m[2]); }
    }
    function show() {
      screen.draw(view); seek.value = at; now.textContent = stamp(at);
      var cur = null; marks.forEach(function (m) { if (m.t <= at + 0.05) cur = m; });
      marks.forEach(function (m) { if (rows[m.seq]) rows[m.seq].classList.toggle("current", m === cur); });
      if (timer && cur && rows[cur.seq] && list) follow(rows[cur.seq]);
    }
    // The list has a scroll bar of its own beside the screen: the page stays.
    function follow(row) {
      if (!row.offsetHeight || list.scrollHeight <= list.clientHeight) return;
      var r = row.getBoundingClientRect(), l = list.getBoundingClientRect();
      if (r.top < l.top + 40 || r.bottom > l.bottom - 40) list.scrollTop += r.top - l.top - l.height / 3;
    }
    // The first moment at which something stands on the screen.
    function first() {
      var from = marks.length ? marks[0].t : 0;
      for (var i = 0; i < events.length; i++) {
        var e = events[i];
        if (e[0] >= from && e[1] === "o" && /[^\s]/.test(e[2].replace(/\x1b\[[0-9;?]*[ -\/]*[@-~]|\x1b\][^\x07]*\x07/g, ""))) return e[0];
      }
      return from;
    }
    function go(t) {
      if (t < at) { screen = new Screen(data.cols, data.rows); next = 0; }
      at = t; while (next < events.length && events[next][0] <= t) apply(events[next++]);
      show();
    }
    function stop() { clearInterval(timer); timer = null; button.firstChild.data = "▶ "; }
    function tick() {
      var n = performance.now(); var t = at + Math.min(n - last, 500) / 1000 * rate.value; last = n;
      // Long silences pass quickly: nothing happens on the screen.
      if (next < events.length && events[next][0] - t > 3) t = events[next][0] - 1;
      go(Math.min(t, end)); if (at >= end) stop();
    }
    button.addEventListener("click", function () {
      if (timer) return stop();
      if (at >= end) go(0);
      last = performance.now(); timer = setInterval(tick, 60); button.firstChild.data = "❚❚ ";
    });
    seek.addEventListener("input", function () { go(+seek.value); });
    marks.forEach(function (m) {
      if (rows[m.seq]) rows[m.seq].addEventListener("click", function () { stop(); go(m.t + 0.8); box.scrollIntoView({ block: "nearest" }); });
    });
    go(first());
  }

  document.querySelectorAll("script.cast").forEach(function (s) {
    var box = null;
    document.querySelectorAll(".player").forEach(function (b) { if (b.dataset.terminal === s.dataset.terminal) box = b; });
    if (box) try { Player(box, JSON.parse(s.textContent)); } catch (e) { box.hidden = true; }
  });
})();
