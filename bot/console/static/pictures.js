// Worker: pictures an agent is about to send, made small enough for every platform and freed of what cameras write into
// them. A page encodes only while nothing else wants it, which keeps a picture waiting for seconds; a worker at once.
(function () {
  "use strict";

  const MOST_BYTES = 1048576; // LINE's limit, the smallest of all platforms
  const SIDES = [2048, 1600, 1200, 800];
  const QUALITIES = [0.9, 0.8, 0.7, 0.55];
  const THUMB = 96;
  const PLAIN_MARKERS = [0xe0, 0xee]; // JFIF and Adobe: how to read the colours
  const JPEG = "image/jpeg";
  const PNG = "image/png";

  function starts(bytes, ...values) {
    return values.every((value, at) => bytes[at] === value);
  }

  async function read(file, most) {
    return new Uint8Array(await file.slice(0, most).arrayBuffer());
  }

  function typeOf(bytes, file) {
    if (starts(bytes, 0xff, 0xd8, 0xff)) return JPEG;
    if (starts(bytes, 0x89, 0x50, 0x4e, 0x47)) return PNG;
    if (starts(bytes, 0x47, 0x49, 0x46, 0x38)) return "image/gif";
    return file.type;
  }

  // Whether a JPEG holds nothing but a picture: no EXIF, no comment, nothing behind its end.
  function isPlain(bytes) {
    let at = 2;
    while (at + 4 < bytes.length && bytes[at] === 0xff) {
      const marker = bytes[at + 1];
      if (marker === 0xda) return bytes[bytes.length - 2] === 0xff && bytes[bytes.length - 1] === 0xd9;
      const tells = (marker >= 0xe0 && marker <= 0xef) || marker === 0xfe;
      const profile = marker === 0xe2 && starts(bytes.subarray(at + 4), 0x49, 0x43, 0x43, 0x5f);
      if (tells && !profile && !PLAIN_MARKERS.includes(marker)) return false;
      at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
    }
    return false;
  }

  function draw(picture, longest, ground) {
    const share = Math.min(1, longest / Math.max(picture.width, picture.height));
    const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * share)));
    const canvas = new OffscreenCanvas(width, height);
    const brush = canvas.getContext("2d");
    brush.imageSmoothingQuality = "high";
    if (ground) {
      brush.fillStyle = ground;
      brush.fillRect(0, 0, width, height);
    }
    brush.drawImage(picture, 0, 0, width, height);
    return canvas;
  }

  // Drawings and what one can see through stay PNG while they fit; everything else becomes JPEG.
  async function pack(picture, type) {
    if (type !== JPEG) {
      const whole = await draw(picture, SIDES[0], "").convertToBlob({ type: PNG });
      if (whole.size <= MOST_BYTES) return whole;
    }
    for (const side of SIDES) {
      const canvas = draw(picture, side, "#fff");
      for (const quality of QUALITIES) {
        const made = await canvas.convertToBlob({ type: JPEG, quality });
        if (made.size <= MOST_BYTES) return made;
      }
    }
    return null;
  }

  function named(file, type) {
    const ending = type === PNG ? ".png" : ".jpg";
    return `${file.name.replace(/\.[A-Za-z0-9]{1,5}$/, "")}${ending}`;
  }

  // Gives { file, thumb }: file is null where it goes as it is, thumb for what is no picture. Throws when a picture
  // cannot be read here.
  async function prepare(file) {
    const type = typeOf(await read(file, 16), file);
    if (!type.startsWith("image/")) return { file: null, thumb: null };
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    try {
      const thumb = draw(picture, THUMB, "").transferToImageBitmap();
      const fits = file.size <= MOST_BYTES && Math.max(picture.width, picture.height) <= SIDES[0];
      const keeps = type === "image/gif" || (type === JPEG && fits && isPlain(await read(file, MOST_BYTES)));
      if (keeps) return { file: null, thumb };
      const made = await pack(picture, type);
      if (!made) throw new Error("no picture of this size can be made");
      return { file: new File([made], named(file, made.type), { type: made.type }), thumb };
    } finally {
      picture.close();
    }
  }

  self.addEventListener("message", async (event) => {
    try {
      const made = await prepare(event.data);
      self.postMessage(made, made.thumb ? [made.thumb] : []);
    } catch {
      self.postMessage(null);
    }
  });
})();
