/** All that the page says, in each language: `{name}` stands for a value, `|` parts the forms for one and more. */

export type Language = "en" | "de";

export type TextName = keyof typeof TEXTS;

export const TEXTS = {
  title: { en: "fhenn: predictions on data that stays yours", de: "fhenn: Vorhersagen auf Daten, die Ihre bleiben" },
  tagline: {
    en: "Your rows are encrypted in this browser. The server computes on them without being able to read them.",
    de: "Ihre Zeilen werden in diesem Browser verschlüsselt. Der Server rechnet damit, ohne sie lesen zu können.",
  },
  chooseLanguage: { en: "Language", de: "Sprache" },
  skip: { en: "Skip to the predictions", de: "Zu den Vorhersagen springen" },
  dismiss: { en: "Close this message", de: "Diese Meldung schließen" },
  details: { en: "Details", de: "Einzelheiten" },
  working: { en: "Working …", de: "Es wird gearbeitet …" },

  modelTitle: { en: "Pick a model", de: "Modell wählen" },
  modelHint: {
    en: "The service lists what it can predict. A token says who you are; ask its operator for one.",
    de: "Der Dienst nennt, was er vorhersagen kann. Ein Token sagt, wer Sie sind; der Betreiber gibt es Ihnen.",
  },
  service: { en: "Service", de: "Dienst" },
  serviceElsewhere: {
    en: "This page was loaded from {page}; it talks to the service at {service}.",
    de: "Diese Seite kommt von {page}; sie spricht mit dem Dienst bei {service}.",
  },
  token: { en: "Token", de: "Token" },
  connect: { en: "Show the models", de: "Modelle zeigen" },
  model: { en: "Model", de: "Modell" },
  noModels: { en: "This token reaches no model.", de: "Dieses Token erreicht kein Modell." },
  predictsClass: { en: "Predicts one of: {classes}", de: "Sagt eines vorher von: {classes}" },
  predictsLabels: {
    en: "Says for each of these whether it holds: {classes}",
    de: "Sagt für jedes davon, ob es zutrifft: {classes}",
  },
  predictsSeveral: {
    en: "Predicts {n} answer|Predicts {n} answers at once",
    de: "Sagt {n} Antwort vorher|Sagt {n} Antworten auf einmal vorher",
  },
  predictsNumber: { en: "Predicts a number", de: "Sagt eine Zahl vorher" },
  predictsScores: { en: "Gives scores", de: "Gibt Punktwerte" },
  accuracy: {
    en: "A score that is computed encrypted differs from the one computed in the clear by {error} at most.",
    de: "Ein verschlüsselt gerechneter Punktwert weicht höchstens {error} von dem offen gerechneten ab.",
  },
  accuracyOfLogit: {
    en:
      "A score that is computed encrypted differs from the one computed in the clear by {error} at most. It has no " +
      "unit: probabilities, from 0 to 1, are made of it here, and differ by no more.",
    de:
      "Ein verschlüsselt gerechneter Punktwert weicht höchstens {error} von dem offen gerechneten ab. Er hat keine " +
      "Einheit: Wahrscheinlichkeiten von 0 bis 1 entstehen hier aus ihm, und sie weichen nicht mehr ab.",
  },
  accuracyOfNumber: {
    en:
      "A score that is computed encrypted differs from the one computed in the clear by {error} at most, in the unit " +
      "of the model's score.",
    de:
      "Ein verschlüsselt gerechneter Punktwert weicht höchstens {error} von dem offen gerechneten ab, in der Einheit " +
      "der Punktwerte des Modells.",
  },
  otherRows: {
    en: "That was measured on data: rows unlike it may be further off.",
    de: "Das wurde an Daten gemessen: Zeilen, die ihnen nicht gleichen, können weiter abweichen.",
  },
  distance: {
    en:
      "It computes with polynomials: on the data that it was planned with, its scores differ from the exact model's " +
      "by {distance} at most.",
    de:
      "Es rechnet mit Polynomen: Auf den Daten, mit denen geplant wurde, weichen seine Werte höchstens {distance} " +
      "von denen des genauen Modells ab.",
  },
  columnsOf: {
    en: "{n} column that it wants|{n} columns that it wants",
    de: "{n} Spalte, die es braucht|{n} Spalten, die es braucht",
  },
  columnName: { en: "Column", de: "Spalte" },
  columnAccepts: { en: "Accepts", de: "Nimmt an" },
  fromTo: { en: "{low} to {high}", de: "{low} bis {high}" },
  anyNumber: { en: "numbers", de: "Zahlen" },
  anyText: { en: "any text", de: "beliebiger Text" },
  notUsed: { en: "not used", de: "wird nicht gebraucht" },
  pixels: { en: "Images of {height} × {width} pixels", de: "Bilder von {height} × {width} Pixeln" },

  dataTitle: { en: "Bring your data", de: "Daten bringen" },
  dataHint: {
    en:
      "Columns are found by their names, and prepared here. A row with a value that the model cannot take, as one " +
      "out of bounds, is marked and never sent. Blanks that the model fills in are marked, and sent filled in.",
    de:
      "Spalten werden an ihren Namen erkannt und hier vorbereitet. Eine Zeile mit einem Wert, den das Modell nicht " +
      "nehmen kann, etwa außerhalb der Grenzen, wird markiert und nie gesendet. Lücken, die das Modell füllt, werden " +
      "markiert und gefüllt gesendet.",
  },
  drop: { en: "Drop a CSV file here, or choose one", de: "CSV-Datei hier ablegen oder auswählen" },
  example: { en: "Download an example CSV", de: "Beispiel-CSV herunterladen" },
  typeRow: { en: "Type a row", de: "Eine Zeile eintippen" },
  addRow: { en: "Add the row", de: "Zeile hinzufügen" },
  fillExample: { en: "Fill in the middle of the bounds", de: "Mitte der Grenzen einsetzen" },
  draw: { en: "Draw", de: "Zeichnen" },
  drawHint: {
    en: "Draw with the mouse or a finger. The drawing is scaled and centred here, as in MNIST.",
    de: "Zeichnen Sie mit der Maus oder dem Finger. Die Zeichnung wird hier wie in MNIST skaliert und zentriert.",
  },
  drawHintFilling: {
    en:
      "Draw with the mouse or a finger. The drawing is cut out and scaled here so that it fills {height} × {width} " +
      "pixels.",
    de:
      "Zeichnen Sie mit der Maus oder dem Finger. Die Zeichnung wird hier ausgeschnitten und so skaliert, dass sie " +
      "{height} × {width} Pixel füllt.",
  },
  drawField: { en: "Field to draw on", de: "Zeichenfeld" },
  clear: { en: "Clear", de: "Löschen" },
  predictDrawing: { en: "Predict the drawing", de: "Zeichnung vorhersagen" },
  emptyDrawing: { en: "Nothing is drawn yet.", de: "Es ist noch nichts gezeichnet." },
  loaded: { en: "{n} row of {source}|{n} rows of {source}", de: "{n} Zeile aus {source}|{n} Zeilen aus {source}" },
  typed: { en: "{n} row that you typed|{n} rows that you typed", de: "{n} eingetippte Zeile|{n} eingetippte Zeilen" },
  drawn: { en: "your drawing", de: "Ihre Zeichnung" },
  allReady: { en: "All can be predicted.", de: "Alle können vorhergesagt werden." },
  someMarked: {
    en: "{n} row is marked and stays here.|{n} rows are marked and stay here.",
    de: "{n} Zeile ist markiert und bleibt hier.|{n} Zeilen sind markiert und bleiben hier.",
  },
  someUnknown: {
    en: "{n} row has a category that the model does not know.|{n} rows have categories that the model does not know.",
    de:
      "{n} Zeile hat eine Kategorie, die das Modell nicht kennt.|{n} Zeilen haben Kategorien, die das Modell nicht " +
      "kennt.",
  },
  someFilled: {
    en: "{n} row has blanks that the model fills in.|{n} rows have blanks that the model fills in.",
    de: "{n} Zeile hat Lücken, die das Modell füllt.|{n} Zeilen haben Lücken, die das Modell füllt.",
  },
  someTyped: { en: "{n} of them typed", de: "{n} davon eingetippt" },
  stillHere: {
    en: "{file} was refused. Still here, as before: {rows}",
    de: "{file} wurde abgelehnt. Noch hier, wie zuvor: {rows}",
  },
  firstOfFiles: {
    en: "{n} files were dropped: only the first, {file}, was taken.",
    de: "{n} Dateien wurden abgelegt: Nur die erste, {file}, wurde genommen.",
  },
  tooLargeFile: {
    en: "The file has {size}; this page takes {most}. Part it, or use fhenn's command line.",
    de: "Die Datei hat {size}; diese Seite nimmt {most}. Teilen Sie sie, oder nehmen Sie die Kommandozeile von fhenn.",
  },

  keysTitle: { en: "Make your keys", de: "Schlüssel erzeugen" },
  keysHint: {
    en: "The secret key is made here and stays here. The server gets keys that can compute but not decrypt.",
    de:
      "Der geheime Schlüssel entsteht hier und bleibt hier. Der Server bekommt Schlüssel, die rechnen, aber nicht " +
      "entschlüsseln können.",
  },
  makeKeys: { en: "Make keys", de: "Schlüssel erzeugen" },
  newKeys: { en: "Make new keys", de: "Neue Schlüssel erzeugen" },
  noKeys: { en: "No keys yet", de: "Noch keine Schlüssel" },
  keysInMemory: {
    en: "Keys {fingerprint}, made in {time}. They are in memory and gone when you leave.",
    de: "Schlüssel {fingerprint}, erzeugt in {time}. Sie sind im Arbeitsspeicher und weg, wenn Sie gehen.",
  },
  keysKept: {
    en: "Keys {fingerprint} are ready; that took {time}. This browser keeps them under your passphrase.",
    de:
      "Schlüssel {fingerprint} sind bereit; das dauerte {time}. Dieser Browser bewahrt sie unter Ihrer " +
      "Passphrase auf.",
  },
  keep: { en: "Keep them in this browser", de: "In diesem Browser aufbewahren" },
  keepHint: {
    en:
      "Locked under a passphrase: PBKDF2 with {iterations} iterations, AES-GCM. Nobody can restore a passphrase " +
      "that is lost.",
    de:
      "Unter einer Passphrase verschlossen: PBKDF2 mit {iterations} Durchläufen, AES-GCM. Eine verlorene " +
      "Passphrase kann niemand wiederherstellen.",
  },
  passphrase: { en: "Passphrase", de: "Passphrase" },
  passphraseAgain: { en: "Passphrase again", de: "Passphrase noch einmal" },
  passphrasesDiffer: { en: "The two passphrases differ.", de: "Die beiden Passphrasen sind verschieden." },
  passphraseShort: { en: "Take {n} characters or more.", de: "Nehmen Sie mindestens {n} Zeichen." },
  keepNow: { en: "Keep", de: "Aufbewahren" },
  unlockHint: {
    en: "This browser keeps keys for this model, made on {date}.",
    de: "Dieser Browser bewahrt Schlüssel für dieses Modell auf, vom {date}.",
  },
  unlock: { en: "Unlock", de: "Aufschließen" },
  forget: { en: "Forget the keys", de: "Schlüssel vergessen" },
  forgetSure: { en: "Really forget the kept keys", de: "Aufbewahrte Schlüssel wirklich vergessen" },
  forgottenElsewhere: {
    en: "The keys were forgotten in another tab. They are gone here, too.",
    de: "Die Schlüssel wurden in einem anderen Tab vergessen. Auch hier sind sie fort.",
  },
  forgotten: {
    en:
      "The keys are gone: what held them here has ended, what this browser kept is overwritten and deleted, and the " +
      "service has deleted what is known to have been sent of them.",
    de:
      "Die Schlüssel sind fort: Was sie hier hielt, ist beendet, was dieser Browser aufbewahrte, überschrieben und " +
      "gelöscht, und der Dienst hat gelöscht, was bekanntlich davon gesendet wurde.",
  },
  makingKeys: { en: "Making keys", de: "Schlüssel entstehen" },

  predictionsTitle: { en: "See the predictions", de: "Vorhersagen ansehen" },
  predictionsHint: {
    en: "Only this browser can decrypt them. They appear beside your rows.",
    de: "Nur dieser Browser kann sie entschlüsseln. Sie erscheinen neben Ihren Zeilen.",
  },
  predict: { en: "Predict {n} row|Predict {n} rows", de: "{n} Zeile vorhersagen|{n} Zeilen vorhersagen" },
  predictNone: { en: "Predict", de: "Vorhersagen" },
  stop: { en: "Stop", de: "Anhalten" },
  stopped: { en: "Stopped. Nothing was predicted.", de: "Angehalten. Es wurde nichts vorhergesagt." },
  needModel: { en: "Pick a model first.", de: "Wählen Sie zuerst ein Modell." },
  needData: { en: "Bring data first.", de: "Bringen Sie zuerst Daten." },
  needReady: { en: "No row can be predicted as it is.", de: "Keine Zeile kann so vorhergesagt werden." },
  done: {
    en: "{n} row predicted in {time}.|{n} rows predicted in {time}.",
    de: "{n} Zeile in {time} vorhergesagt.|{n} Zeilen in {time} vorhergesagt.",
  },
  rowsTable: { en: "Your rows and their predictions", de: "Ihre Zeilen und ihre Vorhersagen" },
  nothingYet: {
    en: "Your rows will stand here, and their predictions beside them.",
    de: "Hier werden Ihre Zeilen stehen und daneben ihre Vorhersagen.",
  },
  row: { en: "Row", de: "Zeile" },
  image: { en: "Image", de: "Bild" },
  imageOfRow: { en: "Image of row {row}", de: "Bild in Zeile {row}" },
  prediction: { en: "Prediction", de: "Vorhersage" },
  probability: { en: "Probability", de: "Wahrscheinlichkeit" },
  filter: { en: "Filter rows", de: "Zeilen filtern" },
  show: { en: "Show", de: "Zeigen" },
  showAll: { en: "all rows", de: "alle Zeilen" },
  showMarked: { en: "rows with marks or notes", de: "Zeilen mit Marken oder Hinweisen" },
  showAlarms: { en: "rows with alarms", de: "Zeilen mit Alarm" },
  download: { en: "Download as CSV", de: "Als CSV herunterladen" },
  sortBy: { en: "Sort by {column}", de: "Nach {column} sortieren" },
  previous: { en: "Previous page", de: "Vorige Seite" },
  next: { en: "Next page", de: "Nächste Seite" },
  rowsShown: { en: "{from} to {to} of {total}", de: "{from} bis {to} von {total}" },
  noneShown: { en: "No row is like that.", de: "Keine Zeile ist so." },
  notSent: { en: "not sent", de: "nicht gesendet" },
  alarm: { en: "alarm", de: "Alarm" },
  outOfRange: { en: "out of the model's range", de: "außerhalb dessen, was das Modell kann" },
  alarmHint: {
    en: "A value left the range in which the model is good ({source}): this prediction means nothing.",
    de: "Ein Wert hat den Bereich verlassen, in dem das Modell gut ist ({source}): Diese Vorhersage bedeutet nichts.",
  },
  alarmBeside: {
    en: "It shared a ciphertext with a row that went far beyond the range: this prediction means nothing.",
    de: "Sie teilte sich ein Chiffrat mit einer Zeile weit außerhalb des Bereichs: Diese Vorhersage bedeutet nichts.",
  },
  wholeAnswer: { en: "All probabilities of row {row}", de: "Alle Wahrscheinlichkeiten von Zeile {row}" },

  blank: { en: "blank", de: "leer" },
  unknownCategory: { en: "unknown category", de: "unbekannte Kategorie" },
  notANumber: { en: "not a number", de: "keine Zahl" },
  outOfBounds: { en: "out of bounds", de: "außerhalb der Grenzen" },
  infinite: { en: "infinite", de: "unendlich" },
  filledIn: { en: "blank: the model fills it in", de: "leer: das Modell setzt etwas ein" },

  serverTitle: { en: "What the server sees", de: "Was der Server sieht" },
  serverHint: {
    en: "Sizes, times and which model; never values, predictions or the secret key.",
    de: "Größen, Zeiten und welches Modell; nie Werte, Vorhersagen oder den geheimen Schlüssel.",
  },
  serverNothing: { en: "Nothing yet.", de: "Noch nichts." },
  sawKeys: { en: "Keys to compute with", de: "Schlüssel zum Rechnen" },
  sawUpload: { en: "Encrypted rows, sent", de: "Verschlüsselte Zeilen, gesendet" },
  sawAnswer: { en: "Encrypted answers, received", de: "Verschlüsselte Antworten, empfangen" },
  sawRequests: { en: "Requests to predict", de: "Anfragen zur Vorhersage" },
  tookEncrypt: { en: "Encrypting here", de: "Verschlüsseln hier" },
  tookServer: { en: "Network and server", de: "Netz und Server" },
  tookDecrypt: { en: "Decrypting here", de: "Entschlüsseln hier" },
  picture: {
    en:
      "Your rows, as the server sees them: the last {bytes} of what was sent, a dot for each byte. They hold " +
      "{bits} of 8 bits a byte: noise.",
    de:
      "Ihre Zeilen, wie der Server sie sieht: die letzten {bytes} des Gesendeten, ein Punkt je Byte. Sie haben " +
      "{bits} von 8 Bit je Byte: Rauschen.",
  },
  pictureLabel: { en: "Noise: the bytes that were sent", de: "Rauschen: die gesendeten Bytes" },

  footer: {
    en: "Whoever serves this page could serve another one. Compare this build's hash with the release's:",
    de:
      "Wer diese Seite ausliefert, könnte eine andere ausliefern. Vergleichen Sie den Hash dieses Baus mit dem der " +
      "Veröffentlichung:",
  },
  footerHow: {
    en:
      "How: {command} must give this hash; SHA256SUMS lists the hash of every file of the page. Any static server " +
      "can serve a release that you have checked, with ?service=ADDRESS.",
    de:
      "So geht es: {command} muss diesen Hash ergeben; SHA256SUMS nennt den Hash jeder Datei der Seite. Jeder " +
      "statische Server kann eine geprüfte Veröffentlichung ausliefern, mit ?service=ADRESSE.",
  },
  noHash: { en: "not built", de: "nicht gebaut" },

  stepLoad: { en: "Loading the cryptography", de: "Die Kryptographie wird geladen" },
  stepKeys: { en: "Making keys: {done} of {total}", de: "Schlüssel entstehen: {done} von {total}" },
  stepUpload: { en: "Sending keys: {done} of {total}", de: "Schlüssel werden gesendet: {done} von {total}" },
  stepEncrypt: { en: "Encrypting, row {done} of {total}", de: "Verschlüsseln, Zeile {done} von {total}" },
  stepPredict: { en: "The server computes, row {done} of {total}", de: "Der Server rechnet, Zeile {done} von {total}" },
  stepDecrypt: { en: "Decrypting, row {done} of {total}", de: "Entschlüsseln, Zeile {done} von {total}" },

  stepUnanswered: { en: "No answer; trying again", de: "Keine Antwort; es wird erneut versucht" },
  stepBusy: {
    en: "The service is busy; trying again",
    de: "Der Dienst ist ausgelastet; es wird erneut versucht",
  },

  errorToken: {
    en: "The service does not know this token, or it has expired.",
    de: "Der Dienst kennt dieses Token nicht, oder es ist abgelaufen.",
  },
  errorInsecure: {
    en:
      "This page was not loaded over https: the browser gives it no cryptography, and anybody on the way could " +
      "have changed it.",
    de:
      "Diese Seite wurde nicht über https geladen: Der Browser gibt ihr keine Kryptographie, und jeder auf dem Weg " +
      "könnte sie verändert haben.",
  },
  errorAddress: {
    en: "The address of the service, or the token, is none that this page can use safely.",
    de: "Die Adresse des Dienstes oder das Token ist keines, das diese Seite sicher verwenden kann.",
  },
  errorBusy: {
    en: "The service is busy. Try again in a moment.",
    de: "Der Dienst ist ausgelastet. Versuchen Sie es gleich noch einmal.",
  },
  errorTooLarge: {
    en: "That is more than the service takes at once. Bring fewer rows.",
    de: "Das ist mehr, als der Dienst auf einmal annimmt. Bringen Sie weniger Zeilen.",
  },
  errorService: { en: "The service refused ({status}).", de: "Der Dienst hat abgelehnt ({status})." },
  errorModelGone: {
    en:
      "The service no longer has this model as it was picked, or this token does not reach it. Show the models again.",
    de:
      "Der Dienst hat dieses Modell nicht mehr, wie es gewählt wurde, oder dieses Token erreicht es nicht. Zeigen Sie " +
      "die Modelle erneut.",
  },
  errorNoService: {
    en:
      "This is not the address of a fhenn service. Name the service behind the page's address: " +
      "?service=https://…",
    de:
      "Das ist nicht die Adresse eines fhenn-Dienstes. Nennen Sie den Dienst hinter der Adresse der Seite: " +
      "?service=https://…",
  },
  errorElsewhere: {
    en:
      "The service does not answer this page. Check the address, and that it lets the page in: its operator starts " +
      "it with --allow-origin {page}.",
    de:
      "Der Dienst antwortet dieser Seite nicht. Prüfen Sie die Adresse und ob er die Seite einlässt: Sein Betreiber " +
      "startet ihn mit --allow-origin {page}.",
  },
  errorUnreachable: {
    en: "The service does not answer. Check the address, and that it is running.",
    de: "Der Dienst antwortet nicht. Prüfen Sie die Adresse und ob er läuft.",
  },
  errorAnswer: {
    en: "What the service sent is not what was asked for. It was refused, and nothing of it is used.",
    de:
      "Was der Dienst geschickt hat, ist nicht, was gefragt war. Es wurde abgelehnt, und nichts davon wird " +
      "verwendet.",
  },
  errorPassphrase: {
    en: "The passphrase is wrong, or what was kept was altered.",
    de: "Die Passphrase ist falsch, oder das Aufbewahrte wurde verändert.",
  },
  errorPlan: {
    en: "The plan of this model is not one that this page can use safely.",
    de: "Den Plan dieses Modells kann diese Seite nicht sicher verwenden.",
  },
  errorTable: { en: "The table cannot be read as it is.", de: "Die Tabelle ist so nicht lesbar." },
  errorTableLine: {
    en: "The table cannot be read as it is: look at line {line}.",
    de: "Die Tabelle ist so nicht lesbar: Sehen Sie Zeile {line} an.",
  },
  errorWorkbook: {
    en: "{file} is an Excel workbook. Save it as “CSV UTF-8” there, and bring that file.",
    de: "{file} ist eine Excel-Arbeitsmappe. Speichern Sie sie dort als „CSV UTF-8“, und bringen Sie diese Datei.",
  },
  errorCapitals: {
    en: "Columns are missing: {columns}. The file has: {found}. Capitals and small letters must be the same.",
    de: "Es fehlen Spalten: {columns}. Die Datei hat: {found}. Groß- und Kleinschreibung müssen gleich sein.",
  },
  errorColumnNumber: {
    en: "The table has {n} column; the model wants {wanted}.|The table has {n} columns; the model wants {wanted}.",
    de:
      "Die Tabelle hat {n} Spalte; das Modell braucht {wanted}.|Die Tabelle hat {n} Spalten; das Modell braucht " +
      "{wanted}.",
  },
  errorColumns: { en: "Columns are missing: {columns}", de: "Es fehlen Spalten: {columns}" },
  errorColumnCount: {
    en: "The table has another number of columns than the model wants.",
    de: "Die Tabelle hat eine andere Zahl von Spalten, als das Modell braucht.",
  },
  errorWorker: {
    en:
      "The part of this page that computes has stopped and was started anew. Its keys are gone: make or unlock " +
      "them again.",
    de:
      "Der rechnende Teil dieser Seite ist stehen geblieben und neu gestartet worden. Seine Schlüssel sind weg: " +
      "Erzeugen oder öffnen Sie sie noch einmal.",
  },
  errorStorage: {
    en: "This browser does not let the page keep anything.",
    de: "Dieser Browser lässt die Seite nichts aufbewahren.",
  },
  errorOther: { en: "That did not work.", de: "Das hat nicht geklappt." },
} as const satisfies Record<string, Readonly<Record<Language, string>>>;
