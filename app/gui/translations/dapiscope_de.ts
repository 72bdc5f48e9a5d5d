<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
    <context>
        <name>dapiscope</name>
        <message>
            <location filename="../../../app/gui/closing.py" />
            <source>Switching the lights off…</source>
            <translation>Die Lichter werden ausgeschaltet …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/closing.py" />
            <source>The light did not confirm that it is off. Switch the light box off by hand, then leave.</source>
            <translation>Das Licht hat nicht bestätigt, dass es aus ist. Die Lichtbox von Hand ausschalten, dann beenden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/closing.py" />
            <source>I switched it off: leave</source>
            <translation>Ich habe es ausgeschaltet: beenden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/closing.py" />
            <source>Leave</source>
            <translation>Beenden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/closing.py" />
            <source>of</source>
            <translation>von</translation>
        </message>
        <message>
            <location filename="../../../app/gui/closing.py" />
            <source>frames</source>
            <translation>Bilder</translation>
        </message>
        <message>
            <location filename="../../../app/gui/closing.py" />
            <source>Finishing the recording: the disk has taken</source>
            <translation>Die Aufnahme wird fertig geschrieben: Auf der Platte sind</translation>
        </message>
        <message>
            <location filename="../../../app/gui/closing.py" />
            <source>The lights are off.</source>
            <translation>Das Licht ist aus.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>Measuring…</source>
            <translation>Messung läuft …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>more than objective, tube and binning say.</source>
            <translation>mehr als Objektiv, Tubus und Binning sagen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>less than objective, tube and binning say.</source>
            <translation>weniger als Objektiv, Tubus und Binning sagen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>Give</source>
            <translation>Angeben</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>Pixel size</source>
            <translation>Pixelgröße</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>measured on a stage micrometer</source>
            <translation>am Objektmikrometer gemessen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>FLAT FIELD</source>
            <translation>FLACHFELD</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>There is no picture yet: start live, or open an image.</source>
            <translation>Es gibt noch kein Bild: Live starten oder ein Bild öffnen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>per pixel</source>
            <translation>je Pixel</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>good to</source>
            <translation>genau auf</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>one division is</source>
            <translation>ein Strichabstand ist</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>That is</source>
            <translation>Das sind</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>That picture is no longer open: open it, and measure again.</source>
            <translation>Dieses Bild ist nicht mehr geöffnet: öffnen und noch einmal messen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>does not say how large its pixels are, so its counts are not fit to use.</source>
            <translation>sagt nicht, wie groß die Pixel sind; die Zählung ist so nicht brauchbar.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>Give the size once, and it is remembered; or measure it (Ctrl+F).</source>
            <translation>Die Größe einmal angeben, sie wird gemerkt; oder sie messen (Strg+F).</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>objective</source>
            <translation>Objektiv</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>tube</source>
            <translation>Tubus</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>sensor pixel</source>
            <translation>Sensorpixel</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>binning</source>
            <translation>Binning</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>known once the camera is open: start live</source>
            <translation>bekannt, sobald die Kamera offen ist: Live starten</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>no flat field yet for this camera, objective and binning</source>
            <translation>noch kein Flachfeld für diese Kamera, dieses Objektiv und Binning</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>taken</source>
            <translation>aufgenommen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>dimmest part</source>
            <translation>dunkelster Teil</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>of the light</source>
            <translation>des Lichts</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>It is for this file</source>
            <translation>Sie gilt für diese Datei</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>In use for the file that is open.</source>
            <translation>Für die offene Datei in Gebrauch.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>In use, and kept for this camera and objective.</source>
            <translation>In Gebrauch, und für diese Kamera und dieses Objektiv behalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>µm per pixel of</source>
            <translation>µm je Pixel von</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>given</source>
            <translation>angegeben</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>dark</source>
            <translation>dunkel</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>does not reach over the region in use</source>
            <translation>deckt den benutzten Ausschnitt nicht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>no flat field for</source>
            <translation>kein Flachfeld für</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>is no longer open: open it again, and give its size.</source>
            <translation>ist nicht mehr offen: wieder öffnen und die Größe angeben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>flat</source>
            <translation>flach</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_calibration.py" />
            <source>Flat field</source>
            <translation>Flachfeld</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_compare.py" />
            <source>Picture of the second model</source>
            <translation>Bild des zweiten Modells</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_compare.py" />
            <source>the model is being loaded…</source>
            <translation>das Modell wird geladen …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_compare.py" />
            <source>Nothing is compared while counting is off; press C.</source>
            <translation>Ohne Zählung wird nichts verglichen; C drücken.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_compare.py" />
            <source>nuclei</source>
            <translation>Kerne</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_correct.py" />
            <source>Only a picture that stands still can be corrected: press S to snap, or hold the replay.</source>
            <translation>Nur ein stehendes Bild lässt sich korrigieren: S drücken oder die Wiedergabe anhalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_correct.py" />
            <source>This picture was not counted: press S to snap and segment one, or switch counting on.</source>
            <translation>Dieses Bild wurde nicht gezählt: S drücken oder die Zählung einschalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_correct.py" />
            <source>The corrections are not saved</source>
            <translation>Die Korrekturen sind nicht gespeichert</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_exports.py" />
            <source>Exporting the nuclei…</source>
            <translation>Die Kerne werden exportiert …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_exports.py" />
            <source>Nuclei</source>
            <translation>Kerne</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_exports.py" />
            <source>Writing the session report…</source>
            <translation>Der Sitzungsbericht wird geschrieben …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_exports.py" />
            <source>Session report</source>
            <translation>Sitzungsbericht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_exports.py" />
            <source>There are no counts yet; start live or open a recording first.</source>
            <translation>Es gibt noch keine Zahlen; erst Live starten oder eine Aufnahme öffnen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_exports.py" />
            <source>Counts</source>
            <translation>Zahlen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_exports.py" />
            <source>No nuclei are on the screen; snap and segment a picture first.</source>
            <translation>Auf dem Schirm sind keine Kerne; erst ein Bild aufnehmen und zählen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_exports.py" />
            <source>Nothing has happened yet; start live or open a recording first.</source>
            <translation>Noch ist nichts geschehen; erst Live starten oder eine Aufnahme öffnen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_exports.py" />
            <source>cancelled, nothing was written.</source>
            <translation>abgebrochen, nichts wurde geschrieben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>Open recording</source>
            <translation>Aufnahme öffnen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>Open folder</source>
            <translation>Ordner öffnen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>Where to save</source>
            <translation>Wohin speichern</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>Pictures (*.tif *.tiff *.png *.jpg *.bmp)</source>
            <translation>Bilder (*.tif *.tiff *.png *.jpg *.bmp)</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>All files (*)</source>
            <translation>Alle Dateien (*)</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>Open</source>
            <translation>Öffnen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>Report</source>
            <translation>Bericht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>could not be written</source>
            <translation>konnte nicht geschrieben werden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>choose another folder under “Save to”.</source>
            <translation>unter „Ablage in“ einen anderen Ordner wählen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_files.py" />
            <source>holds the numbers of nuclei, not a picture; open the picture</source>
            <translation>enthält die Nummern von Kernen, kein Bild; öffnen Sie das Bild</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_layers.py" />
            <source>This file has one channel at this moment.</source>
            <translation>Diese Datei hat zu diesem Zeitpunkt einen Kanal.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_layers.py" />
            <source>Show or snap each channel once; D begins anew after the stage has moved.</source>
            <translation>Jeden Kanal einmal zeigen oder aufnehmen; nach dem Verfahren beginnt D von vorn.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_layers.py" />
            <source>no picture yet</source>
            <translation>noch kein Bild</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_layers.py" />
            <source>now</source>
            <translation>jetzt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_layers.py" />
            <source>old</source>
            <translation>alt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_microscope.py" />
            <source>This field has had its light: the gain was raised, not the exposure. Press D at a new field.</source>
            <translation>Dieses Feld hat sein Licht gehabt: Die Verstärkung wurde erhöht, nicht die Belichtung. An einem neuen Feld D drücken.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_microscope.py" />
            <source>The recording begins as soon as this is done; press R again to cancel it.</source>
            <translation>Die Aufnahme beginnt, sobald das hier fertig ist; noch einmal R bricht sie ab.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_microscope.py" />
            <source>There is no picture yet; start live first.</source>
            <translation>Es gibt noch kein Bild; erst Live starten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>frame</source>
            <translation>Bild</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>Load plan</source>
            <translation>Plan laden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>Save plan</source>
            <translation>Plan speichern</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>PLAN: STARTING…</source>
            <translation>PLAN: BEGINNT …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>Choose at least one channel.</source>
            <translation>Mindestens einen Kanal wählen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>about</source>
            <translation>etwa</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>free</source>
            <translation>frei</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>Light, in the order taken</source>
            <translation>Licht, in dieser Reihenfolge</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>The disk has not the room for it: choose another folder, or plan less.</source>
            <translation>Der Platz auf der Platte reicht nicht: einen anderen Ordner wählen oder weniger planen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>Plans (*.yaml *.yml *.json)</source>
            <translation>Pläne (*.yaml *.yml *.json)</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>times begin late</source>
            <translation>Zeitpunkte beginnen verspätet</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>It is dark while the plan is written; choose a channel for light.</source>
            <translation>Es ist dunkel, während der Plan geschrieben wird; für Licht einen Kanal wählen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>No acquisition plan runs.</source>
            <translation>Kein Aufnahmeplan läuft.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>with light not confirmed</source>
            <translation>mit unbestätigtem Licht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>PLAN PAUSED</source>
            <translation>PLAN HÄLT</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>PLAN</source>
            <translation>PLAN</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>at full power</source>
            <translation>bei voller Leistung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>the interval is too short for its frames, lengthen it.</source>
            <translation>der Abstand ist zu kurz für seine Bilder, bitte verlängern.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>Plan complete</source>
            <translation>Plan vollständig</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>Plan incomplete</source>
            <translation>Plan unvollständig</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>exceeds the light budget of</source>
            <translation>überschreitet das Lichtbudget von</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_plan.py" />
            <source>Plan written</source>
            <translation>Plan geschrieben</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_profile.py" />
            <source>There is no line yet; press I and drag on the picture.</source>
            <translation>Es gibt noch keine Linie; I drücken und im Bild ziehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_profile.py" />
            <source>Profile</source>
            <translation>Profil</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_start.py" />
            <source>Start dapiscope again to work with these.</source>
            <translation>dapiscope neu starten, um hiermit zu arbeiten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>Export presets</source>
            <translation>Voreinstellungen exportieren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>Import presets</source>
            <translation>Voreinstellungen importieren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>Preset in use</source>
            <translation>Voreinstellung verwendet</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>Presets (*.json)</source>
            <translation>Voreinstellungen (*.json)</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>It stays dark until you choose its light</source>
            <translation>Es bleibt dunkel, bis Sie sein Licht wählen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>Preset replaced</source>
            <translation>Voreinstellung ersetzt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>Preset deleted</source>
            <translation>Voreinstellung gelöscht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>Undo</source>
            <translation>Rückgängig</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>Presets imported</source>
            <translation>Voreinstellungen importiert</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_tools.py" />
            <source>Presets written</source>
            <translation>Voreinstellungen geschrieben</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_view.py" />
            <source>Close dapiscope and start it again for the other language.</source>
            <translation>dapiscope beenden und neu starten, dann gilt die andere Sprache.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_view.py" />
            <source>The contrast was changed of</source>
            <translation>Geändert wurde der Kontrast von</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Grey values along the line on the picture.  [I]</source>
            <translation>Grauwerte entlang der Linie im Bild.  [I]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Table</source>
            <translation>Tabelle</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Every nucleus of the newest result.</source>
            <translation>Jeder Kern des neuesten Ergebnisses.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Tools</source>
            <translation>Werkzeuge</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Menu</source>
            <translation>Menü</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Everything else.  [F10]</source>
            <translation>Alles andere.  [F10]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Press L for the live picture, Space to snap, or drop a recording here.</source>
            <translation>L für das Live-Bild, Leertaste für ein Einzelbild, oder eine Aufnahme hierher ziehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Starting: light, camera, model…</source>
            <translation>Beginnt: Licht, Kamera, Modell …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Stopped. Read the message, then connect again.</source>
            <translation>Beendet. Die Meldung lesen, dann neu verbinden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Choose camera and light (Ctrl+Shift+D) to begin.</source>
            <translation>Zum Beginnen Kamera und Licht wählen (Strg+Umschalt+D).</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Stop</source>
            <translation>Stopp</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Live</source>
            <translation>Live</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Where to save…</source>
            <translation>Wohin speichern …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Show</source>
            <translation>Zeigen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Nuclei in view</source>
            <translation>Kerne im Bild</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Light</source>
            <translation>Licht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Focus</source>
            <translation>Fokus</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Camera</source>
            <translation>Kamera</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Segmentation</source>
            <translation>Segmentierung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Composite</source>
            <translation>Überlagerung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Sample and files</source>
            <translation>Probe und Dateien</translation>
        </message>
        <message>
            <location filename="../../../app/gui/main_window.py" />
            <source>Messages</source>
            <translation>Meldungen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/nuclei_table.py" />
            <source>Table of nuclei</source>
            <translation>Tabelle der Kerne</translation>
        </message>
        <message>
            <location filename="../../../app/gui/nuclei_table.py" />
            <source>Click a row to see its nucleus; click a heading to sort.</source>
            <translation>Eine Zeile anklicken, um ihren Kern zu sehen; einen Spaltenkopf, um zu sortieren.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Flat field and pixel size</source>
            <translation>Flachfeld und Pixelgröße</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Correct pictures and counts by the flat field</source>
            <translation>Bilder und Zählung mit dem Flachfeld korrigieren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Files stay raw; they say which flat field was used for every frame.</source>
            <translation>Dateien bleiben unverändert; zu jedem Bild steht darin, welches Flachfeld galt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Channel</source>
            <translation>Kanal</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Whose light is used for the flat frames.</source>
            <translation>Wessen Licht für die Flachbilder dient.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Frames</source>
            <translation>Bilder</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Averaged dark and flat frames: more is less noise.</source>
            <translation>Gemittelte Dunkel- und Flachbilder: mehr ist weniger Rauschen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Take flat field</source>
            <translation>Flachfeld aufnehmen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Take dark frames, then flat frames, with light and exposure as they are set now.</source>
            <translation>Dunkelbilder, dann Flachbilder aufnehmen, mit Licht und Belichtung wie jetzt eingestellt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Progress</source>
            <translation>Fortschritt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Cancel</source>
            <translation>Abbrechen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Give it up; nothing is kept.</source>
            <translation>Aufgeben; nichts wird behalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Division</source>
            <translation>Strichabstand</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>From the middle of one line to the next.</source>
            <translation>Von der Mitte eines Strichs zum nächsten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Measure</source>
            <translation>Messen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Find the lines in the picture that is shown.</source>
            <translation>Die Striche im gezeigten Bild finden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Use</source>
            <translation>Verwenden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Take the measured size from now on.</source>
            <translation>Von jetzt an die gemessene Größe verwenden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Forget the measured size</source>
            <translation>Gemessene Größe vergessen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Go back to objective × tube × binning.</source>
            <translation>Zurück zu Objektiv × Tubus × Binning.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>kept</source>
            <translation>behalten</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>The dimmest part gets</source>
            <translation>Der dunkelste Teil bekommt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>of the light.</source>
            <translation>des Lichts.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>Lines every</source>
            <translation>Striche alle</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>No camera yet</source>
            <translation>Noch keine Kamera</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Exposure</source>
            <translation>Belichtung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>How long light is collected for one picture.</source>
            <translation>Wie lange für ein Bild Licht gesammelt wird.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Gain</source>
            <translation>Verstärkung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Electronic amplification; it lifts the noise as well.</source>
            <translation>Elektronische Verstärkung; sie hebt auch das Rauschen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Frame rate</source>
            <translation>Bildrate</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Pictures a second that the camera is asked for.</source>
            <translation>Bilder je Sekunde, die von der Kamera verlangt werden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Pixel format</source>
            <translation>Pixelformat</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Mono8 is fastest, Mono12 keeps all grey values.</source>
            <translation>Mono8 ist am schnellsten, Mono12 behält alle Grauwerte.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Binning</source>
            <translation>Binning</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Joins neighbouring pixels: more signal, less detail.</source>
            <translation>Fasst Nachbarpixel zusammen: mehr Signal, weniger Einzelheiten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>USB bandwidth limit</source>
            <translation>USB-Begrenzung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Switch it on when frames get lost on a slow or shared USB port; live is slower then.</source>
            <translation>Einschalten, wenn an einem langsamen oder geteilten USB-Anschluss Bilder verloren gehen; Live ist dann langsamer.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Format</source>
            <translation>Format</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Auto</source>
            <translation>Auto</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Set exposure and gain by the picture; the light is never raised.  [E]</source>
            <translation>Belichtung und Verstärkung nach dem Bild setzen; das Licht wird nie erhöht.  [E]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Shorter than the {} ms in which the rows are read out: frames at a change of light are thrown away; expose longer for a clean switch.</source>
            <translation>Kürzer als die {} ms, in denen die Zeilen ausgelesen werden: Bilder bei einem Lichtwechsel werden verworfen; für einen sauberen Wechsel länger belichten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>Rows are read out over {} ms</source>
            <translation>Zeilen werden über {} ms ausgelesen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/camera.py" />
            <source>The shutter rolls: after a change of light, frames whose rows saw both are rejected, never counted.</source>
            <translation>Der Verschluss rollt: nach einem Lichtwechsel werden Bilder, deren Zeilen beides sahen, verworfen und nie gezählt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>Charts</source>
            <translation>Diagramme</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>Number of nuclei over time.</source>
            <translation>Zahl der Kerne über der Zeit.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>Mean brightness over time: shows bleaching and drift of the lamp.</source>
            <translation>Mittlere Helligkeit über der Zeit: zeigt Ausbleichen und Drift der Lampe.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>Sharpness over time: shows focus drift.</source>
            <translation>Schärfe über der Zeit: zeigt Fokusdrift.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>How large the nuclei of the newest result are.</source>
            <translation>Wie groß die Kerne des neuesten Ergebnisses sind.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>How bright the nuclei of the newest result are.</source>
            <translation>Wie hell die Kerne des neuesten Ergebnisses sind.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>Count</source>
            <translation>Zahl</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>seconds</source>
            <translation>Sekunden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>Brightness</source>
            <translation>Helligkeit</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>mean grey value</source>
            <translation>mittlerer Grauwert</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>sharpness</source>
            <translation>Schärfe</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>Area</source>
            <translation>Fläche</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/charts.py" />
            <source>Intensity</source>
            <translation>Intensität</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/checks.py" />
            <source>Copy</source>
            <translation>Kopieren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/checks.py" />
            <source>Copy this command; paste it into a terminal.</source>
            <translation>Diesen Befehl kopieren, um ihn in ein Terminal einzufügen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/compare_bar.py" />
            <source>Model to compare with</source>
            <translation>Modell zum Vergleich</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/compare_bar.py" />
            <source>The model whose nuclei are shown on the right.</source>
            <translation>Das Modell, dessen Kerne rechts gezeigt werden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/compare_bar.py" />
            <source>Show one model again.  [Shift+C]</source>
            <translation>Wieder ein Modell zeigen.  [Umschalt+C]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/compare_bar.py" />
            <source>Close the comparison</source>
            <translation>Vergleich beenden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/compare_bar.py" />
            <source>found by both</source>
            <translation>von beiden gefunden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/compare_bar.py" />
            <source>cyan</source>
            <translation>cyan</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/compare_bar.py" />
            <source>only</source>
            <translation>nur</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/correct_bar.py" />
            <source>Stop correcting; the corrections stay.  [H]</source>
            <translation>Korrektur beenden; die Korrekturen bleiben.  [H]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/correct_bar.py" />
            <source>Stop correcting</source>
            <translation>Korrektur beenden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/correct_bar.py" />
            <source>by the model</source>
            <translation>vom Modell</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/correct_bar.py" />
            <source>corrected by hand</source>
            <translation>von Hand korrigiert</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>Number of nuclei</source>
            <translation>Zahl der Kerne</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>Nothing counted yet</source>
            <translation>Noch nichts gezählt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>Mean of the counts of the last ten seconds.</source>
            <translation>Mittel der Zählungen der letzten zehn Sekunden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>scale unknown</source>
            <translation>Maßstab unbekannt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>from camera or file</source>
            <translation>aus Metadaten</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>estimated</source>
            <translation>geschätzt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>Density: scale unknown</source>
            <translation>Dichte: Maßstab unbekannt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>counted coarsely to keep up</source>
            <translation>grob gezählt, um mitzukommen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>Fit to count</source>
            <translation>Zählbar</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>mean</source>
            <translation>Mittel</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>Not fit to count</source>
            <translation>Nicht zählbar</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/doctor_page.py" />
            <source>Check of the system</source>
            <translation>Prüfung des Systems</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/doctor_page.py" />
            <source>Check again</source>
            <translation>Neu prüfen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/doctor_page.py" />
            <source>Run all checks once more.</source>
            <translation>Alles noch einmal prüfen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/doctor_page.py" />
            <source>Run no further checks.  [Esc]</source>
            <translation>Keine weiteren Prüfungen.  [Esc]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/doctor_page.py" />
            <source>Checking… this takes a few seconds.</source>
            <translation>Prüfung läuft … das dauert ein paar Sekunden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/doctor_page.py" />
            <source>Cancelled.</source>
            <translation>Abgebrochen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/focus_panel.py" />
            <source>Sharpness of the middle of the field; the mark is the sharpest seen so far.</source>
            <translation>Schärfe in der Mitte des Felds; die Marke ist der bisher schärfste Wert.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/focus_panel.py" />
            <source>Forget the sharpest value seen and begin anew.  [G]</source>
            <translation>Den schärfsten Wert vergessen und neu beginnen.  [G]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/focus_panel.py" />
            <source>Reset focus peak</source>
            <translation>Fokus-Spitze neu</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/histogram.py" />
            <source>Histogram</source>
            <translation>Histogramm</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/histogram.py" />
            <source>Drag the handles to set black and white; double-click fits them; press Y for a log scale.</source>
            <translation>Die Griffe ziehen, um Schwarz und Weiß zu setzen; Doppelklick passt sie an; Y schaltet die logarithmische Skala.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/histogram.py" />
            <source>Grey values</source>
            <translation>Grauwerte</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/histogram.py" />
            <source>saturated</source>
            <translation>gesättigt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/histogram.py" />
            <source>at zero</source>
            <translation>bei null</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/histogram.py" />
            <source>log</source>
            <translation>log</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/layers.py" />
            <source>Black</source>
            <translation>Schwarz</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/layers.py" />
            <source>White</source>
            <translation>Weiß</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/layers.py" />
            <source>Show all channels in one picture</source>
            <translation>Alle Kanäle in einem Bild zeigen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/layers.py" />
            <source>Add up the newest picture of every channel, each in its colour.  [V]</source>
            <translation>Das neueste Bild jedes Kanals in seiner Farbe überlagern.  [V]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/layers.py" />
            <source>Show this channel in the composite</source>
            <translation>Diesen Kanal in der Überlagerung zeigen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/layers.py" />
            <source>Fit black and white of this channel to every picture</source>
            <translation>Schwarz und Weiß dieses Kanals jedem Bild anpassen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/layers.py" />
            <source>part of the range</source>
            <translation>Teil des Bereichs</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>shines</source>
            <translation>leuchtet</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>does not answer: take it as on</source>
            <translation>antwortet nicht: gilt als an</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>ON</source>
            <translation>AN</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>Light level</source>
            <translation>Lichtstärke</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>How strong the chosen light is, 0 to 100 %.</source>
            <translation>Wie stark das gewählte Licht ist, 0 bis 100 %.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>How strong the chosen light is.</source>
            <translation>Wie stark das gewählte Licht ist.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>ALL LIGHTS OFF  ·  Esc</source>
            <translation>ALLE LICHTER AUS  ·  Esc</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>Switch every light off, at once.  [Esc]</source>
            <translation>Alle Lichter sofort ausschalten.  [Esc]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>Not connected</source>
            <translation>Nicht verbunden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>Light on this field since it came into view: seconds at full power, by channel.</source>
            <translation>Licht auf diesem Feld, seit es im Bild ist: Sekunden bei voller Leistung, je Kanal.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>The light may still be ON: it does not answer. Switch the box off by hand.</source>
            <translation>Das Licht ist vielleicht noch AN: es antwortet nicht. Die Box von Hand ausschalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>chosen</source>
            <translation>gewählt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>Dose at full power</source>
            <translation>Dosis bei voller Leistung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>Dark, confirmed by the box</source>
            <translation>Dunkel, von der Lichtbox bestätigt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/light.py" />
            <source>confirmed by the box</source>
            <translation>von der Lichtbox bestätigt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/notices.py" />
            <source>Close this message; it stays in the list of messages.</source>
            <translation>Diese Meldung schließen; in der Liste der Meldungen bleibt sie.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/notices.py" />
            <source>Close message</source>
            <translation>Meldung schließen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/notices.py" />
            <source>How much of it is done.</source>
            <translation>Wie viel davon getan ist.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/notices.py" />
            <source>Give this up; nothing of it is kept.</source>
            <translation>Dies aufgeben; nichts davon bleibt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/notices.py" />
            <source>Everything that was said in this session.</source>
            <translation>Alles, was in dieser Sitzung gemeldet wurde.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/page.py" />
            <source>Close this page.  [Esc]</source>
            <translation>Diese Seite schließen.  [Esc]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/page.py" />
            <source>Close page</source>
            <translation>Seite schließen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/parts.py" />
            <source>Fold or unfold this panel.</source>
            <translation>Diesen Bereich auf- oder zuklappen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Acquisition plan</source>
            <translation>Aufnahmeplan</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Times</source>
            <translation>Zeitpunkte</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>How often all channels are taken.</source>
            <translation>Wie oft alle Kanäle aufgenommen werden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Interval</source>
            <translation>Abstand</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>From the start of one time to the next.</source>
            <translation>Vom Beginn eines Zeitpunkts zum nächsten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Burst</source>
            <translation>Serie</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>As fast as frames can be taken, without an interval.</source>
            <translation>So schnell es geht, ohne Abstand.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Replace</source>
            <translation>Ersetzen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Forget the phases of the file and use one interval.</source>
            <translation>Die Phasen der Datei vergessen und einen Abstand verwenden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Order</source>
            <translation>Reihenfolge</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Whether times or channels come first.</source>
            <translation>Ob Zeitpunkte oder Kanäle zuerst kommen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Gentlest light first</source>
            <translation>Schonendstes Licht zuerst</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>From the longest wavelength to the shortest, which spares the DAPI stain.</source>
            <translation>Von der längsten zur kürzesten Wellenlänge; das schont die DAPI-Färbung.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Mono12 keeps all grey values, Mono8 halves the file.</source>
            <translation>Mono12 behält alle Grauwerte, Mono8 halbiert die Datei.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>File</source>
            <translation>Datei</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>OME-TIFF is always written; an OME-Zarr image can be made beside it.</source>
            <translation>OME-TIFF wird immer geschrieben; ein OME-Zarr-Bild kann daneben entstehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Working out what it costs…</source>
            <translation>Die Kosten werden berechnet …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Load…</source>
            <translation>Laden …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Read a plan from a YAML or JSON file (useq-schema).</source>
            <translation>Einen Plan aus einer YAML- oder JSON-Datei lesen (useq-schema).</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Save…</source>
            <translation>Speichern …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Write the plan to a YAML or JSON file (useq-schema).</source>
            <translation>Den Plan in eine YAML- oder JSON-Datei schreiben (useq-schema).</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Start plan</source>
            <translation>Plan starten</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Take all frames; live imaging ends first.</source>
            <translation>Alle Bilder aufnehmen; Live endet vorher.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Progress of the plan</source>
            <translation>Fortschritt des Plans</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Pause</source>
            <translation>Anhalten</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Hold the plan and its clock, in the dark.</source>
            <translation>Den Plan und seine Uhr anhalten, im Dunkeln.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>End the plan; what was taken is kept.</source>
            <translation>Den Plan beenden; was aufgenommen wurde, bleibt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Taken</source>
            <translation>Aufgenommen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Take this channel.</source>
            <translation>Diesen Kanal aufnehmen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>1 in </source>
            <translation>1 von </translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>counted</source>
            <translation>gezählt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>All channels at each time</source>
            <translation>Zu jedem Zeitpunkt alle Kanäle</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>One channel after the other</source>
            <translation>Ein Kanal nach dem anderen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>every</source>
            <translation>alle</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Electronic amplification; it lifts noise too.</source>
            <translation>Elektronische Verstärkung; sie hebt auch das Rauschen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Of the channel's full power; 0 is a dark frame.</source>
            <translation>Von der vollen Leistung des Kanals; 0 ist ein Dunkelbild.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>1 takes it at every time, 2 at every other one…</source>
            <translation>1: zu jedem Zeitpunkt, 2: zu jedem zweiten …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Starting: disk, light, camera…</source>
            <translation>Beginnt: Platte, Licht, Kamera …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Resume</source>
            <translation>Fortsetzen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>Go on with the plan.</source>
            <translation>Mit dem Plan fortfahren.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>skipped to stay on time</source>
            <translation>übersprungen, um pünktlich zu bleiben</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>times in phases, as in the file</source>
            <translation>Zeitpunkte in Phasen, wie in der Datei</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>At every</source>
            <translation>Bei jedem</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>paused, in the dark</source>
            <translation>angehalten, im Dunkeln</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>disk for</source>
            <translation>Platte für</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>last time begun {} late</source>
            <translation>letzter Zeitpunkt {} zu spät begonnen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/plan_page.py" />
            <source>left</source>
            <translation>übrig</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Presets</source>
            <translation>Voreinstellungen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Double-click a preset to use it.</source>
            <translation>Doppelklick verwendet eine Voreinstellung.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Name for the present settings</source>
            <translation>Name für die jetzigen Einstellungen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Name</source>
            <translation>Name</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Under this name the present settings are kept.</source>
            <translation>Unter diesem Namen werden die jetzigen Einstellungen behalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Set everything of the chosen preset.</source>
            <translation>Alles aus der gewählten Voreinstellung setzen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Go back to what was set before the last preset.</source>
            <translation>Zurück zu dem, was vor der letzten Voreinstellung galt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Save</source>
            <translation>Speichern</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Keep the present settings under this name.</source>
            <translation>Die jetzigen Einstellungen unter diesem Namen behalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Delete</source>
            <translation>Löschen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Forget the chosen preset.</source>
            <translation>Die gewählte Voreinstellung löschen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Import…</source>
            <translation>Importieren …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Add presets from a file.</source>
            <translation>Voreinstellungen aus einer Datei hinzufügen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Export…</source>
            <translation>Exportieren …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/presets_page.py" />
            <source>Write all presets to a file.</source>
            <translation>Alle Voreinstellungen in eine Datei schreiben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>Width of the line</source>
            <translation>Breite der Linie</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>Mean over so many pixels across.</source>
            <translation>Mittel über so viele Pixel quer.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>CSV</source>
            <translation>CSV</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>Write the profile to a CSV file.</source>
            <translation>Das Profil in eine CSV-Datei schreiben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>Save the profile</source>
            <translation>Profil speichern</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>grey value</source>
            <translation>Grauwert</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>Press I, then drag on the picture: a line, or one of its ends.</source>
            <translation>I drücken, dann im Bild ziehen: eine Linie, oder eines ihrer Enden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>Press I, drag on the picture.</source>
            <translation>I drücken, im Bild ziehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>I, then drag</source>
            <translation>I, dann ziehen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>least</source>
            <translation>mindestens</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>most</source>
            <translation>höchstens</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/profile_chart.py" />
            <source>full range</source>
            <translation>voller Bereich</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/replay_bar.py" />
            <source>Timeline</source>
            <translation>Zeitleiste</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/replay_bar.py" />
            <source>Click or drag to go to a frame; the bars are the counts.</source>
            <translation>Klicken oder ziehen, um zu einem Bild zu gehen; die Balken sind die Zahlen der Kerne.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/replay_bar.py" />
            <source>Play or hold.  [K]</source>
            <translation>Abspielen oder anhalten.  [K]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/replay_bar.py" />
            <source>Go back one frame.  [←]</source>
            <translation>Ein Bild zurückgehen.  [←]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/replay_bar.py" />
            <source>Go on by one frame.  [→]</source>
            <translation>Ein Bild weitergehen.  [→]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/replay_bar.py" />
            <source>Begin again at the end.  [Shift+L]</source>
            <translation>Am Ende von vorn beginnen.  [Umschalt+L]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/replay_bar.py" />
            <source>Leave the replay.  [Ctrl+W]</source>
            <translation>Die Wiedergabe verlassen.  [Strg+W]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/replay_bar.py" />
            <source>Speed</source>
            <translation>Tempo</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/replay_bar.py" />
            <source>How fast the recording is played.</source>
            <translation>Wie schnell die Aufnahme abgespielt wird.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/report_page.py" />
            <source>Problem report</source>
            <translation>Problembericht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/report_page.py" />
            <source>A report helps somebody else to understand what went wrong. One file is written to your folder; nothing is sent.</source>
            <translation>Ein Bericht hilft anderen zu verstehen, was schiefging. Eine Datei wird in Ihren Ordner geschrieben; nichts wird gesendet.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/report_page.py" />
            <source>In it: versions, settings, the messages of this session, and the log. The names of sample and operator stay out.</source>
            <translation>Darin: Versionen, Einstellungen, die Meldungen dieser Sitzung und das Protokoll. Die Namen von Probe und Person bleiben draußen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/report_page.py" />
            <source>Add the picture on the screen</source>
            <translation>Das Bild auf dem Schirm beilegen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/report_page.py" />
            <source>Let those who read the report see the sample.</source>
            <translation>Wer den Bericht liest, darf die Probe sehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/report_page.py" />
            <source>Write the report</source>
            <translation>Bericht schreiben</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/report_page.py" />
            <source>Write the file; the message says where it is.</source>
            <translation>Die Datei schreiben; die Meldung sagt, wo sie liegt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/sample.py" />
            <source>e.g. U2OS, well B4</source>
            <translation>z. B. U2OS, Napf B4</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/sample.py" />
            <source>your name</source>
            <translation>Ihr Name</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/sample.py" />
            <source>Sample</source>
            <translation>Probe</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/sample.py" />
            <source>Operator</source>
            <translation>Person</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/sample.py" />
            <source>Name of the sample; it is written into every file.</source>
            <translation>Name der Probe; er steht in jeder Datei.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/sample.py" />
            <source>Who works here; it is written into every file.</source>
            <translation>Wer hier arbeitet; steht in jeder Datei.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/sample.py" />
            <source>Choose the folder for snapshots and recordings.  [Ctrl+Shift+S]</source>
            <translation>Den Ordner für Bilder und Aufnahmen wählen.  [Strg+Umschalt+S]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/sample.py" />
            <source>Save to</source>
            <translation>Ablage in</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>Count nuclei in every picture</source>
            <translation>Kerne in jedem Bild zählen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>Find and count nuclei while pictures come.  [C]</source>
            <translation>Kerne finden und zählen, während Bilder kommen.  [C]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>Model</source>
            <translation>Modell</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>The network that finds the nuclei.</source>
            <translation>Das Netz, das die Kerne findet.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>What brings a picture to the scale that the model learnt.</source>
            <translation>Was ein Bild auf den Maßstab bringt, den das Modell gelernt hat.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>estimate from nuclei</source>
            <translation>aus den Kernen schätzen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>given:</source>
            <translation>angegeben:</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>Size of one camera pixel in the sample.</source>
            <translation>Größe eines Kamerapixels in der Probe.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>outline</source>
            <translation>Umriss</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>Draw a line around each nucleus.</source>
            <translation>Eine Linie um jeden Kern ziehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>fill</source>
            <translation>Fläche</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>Lay a thin colour over each nucleus.</source>
            <translation>Jeden Kern mit einer zarten Farbe bedecken.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>Colour by</source>
            <translation>Farbe nach</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>What the colour of a nucleus says: blue is low, yellow high.</source>
            <translation>Was die Farbe eines Kerns sagt: blau ist wenig, gelb viel.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>Opacity</source>
            <translation>Deckkraft</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/segmentation.py" />
            <source>How much the outlines cover the picture.</source>
            <translation>Wie stark die Umrisse das Bild decken.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Camera and light</source>
            <translation>Kamera und Licht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>The camera to work with.</source>
            <translation>Die Kamera, mit der gearbeitet wird.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Light source</source>
            <translation>Lichtquelle</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>The light source to work with.</source>
            <translation>Die Lichtquelle, mit der gearbeitet wird.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>How much of the search is done.</source>
            <translation>Wie weit die Suche ist.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Look no further.  [Esc]</source>
            <translation>Nicht weitersuchen.  [Esc]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Look again</source>
            <translation>Neu suchen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Look for cameras and light sources once more.</source>
            <translation>Noch einmal nach Kameras und Lichtquellen suchen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Try it on simulators</source>
            <translation>Mit Simulatoren probieren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Work on a simulated sample, with a simulated camera and light.</source>
            <translation>An einer simulierten Probe arbeiten, mit simulierter Kamera und simuliertem Licht.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Use these</source>
            <translation>Diese verwenden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Work with this camera and this light, also at the next start.</source>
            <translation>Mit dieser Kamera und diesem Licht arbeiten, auch beim nächsten Start.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Looking for cameras…</source>
            <translation>Kameras werden gesucht …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Looking for what hides devices…</source>
            <translation>Geprüft wird, was Geräte verbirgt …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Choose what dapiscope works with. Nothing is switched on until you start.</source>
            <translation>Wählen Sie, womit dapiscope arbeitet. Vor dem Start wird nichts eingeschaltet.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Simulated camera</source>
            <translation>Simulierte Kamera</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Simulated light box</source>
            <translation>Simulierte Lichtbox</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Looking for cameras and light sources… this takes a few seconds.</source>
            <translation>Kameras und Lichtquellen werden gesucht … das dauert ein paar Sekunden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>looking…</source>
            <translation>wird gesucht …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>none found: choose a simulator, or look again</source>
            <translation>nichts gefunden: Simulator wählen oder neu suchen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Cancelled. Choose simulators, or look again.</source>
            <translation>Abgebrochen. Simulatoren wählen oder noch einmal suchen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/start_page.py" />
            <source>Looking for a light source at</source>
            <translation>Lichtquelle wird gesucht an</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Ready</source>
            <translation>Bereit</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>From the end of the exposure to the outlines.</source>
            <translation>Vom Ende der Belichtung bis zu den Umrissen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>How full the queue to the disk is; a full queue ends the recording with a message.</source>
            <translation>Wie voll die Schlange zur Platte ist; eine volle beendet die Aufnahme mit einer Meldung.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Queue to the disk</source>
            <translation>Schlange zur Platte</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>The disk is slower than the camera; the frames that wait are written now.</source>
            <translation>Die Platte ist langsamer als die Kamera; die wartenden Bilder werden jetzt geschrieben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>camera</source>
            <translation>Kamera</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>screen</source>
            <translation>Schirm</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>counting</source>
            <translation>Zählung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>lost</source>
            <translation>verloren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>uncounted</source>
            <translation>ungezählt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Pictures a second: from the camera, on the screen, and counted.</source>
            <translation>Bilder je Sekunde: von der Kamera, auf dem Schirm und gezählt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Frames of this run</source>
            <translation>Bilder dieses Laufs</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Lost by the camera or its cable</source>
            <translation>Von der Kamera oder ihrem Kabel verloren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Skipped by the screen (a newer one came first)</source>
            <translation>Vom Schirm ausgelassen (ein neueres kam zuvor)</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Skipped by the counting</source>
            <translation>Von der Zählung ausgelassen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Rejected: light not confirmed, or not the channel of the nuclei</source>
            <translation>Verworfen: Licht nicht bestätigt, oder nicht der Kanal der Kerne</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Recorded</source>
            <translation>Aufgezeichnet</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>lost by camera</source>
            <translation>Kamera verlor</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>not segmented</source>
            <translation>nicht gezählt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>queue</source>
            <translation>Schlange</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>finishing the recording</source>
            <translation>Aufnahme wird fertig geschrieben</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>rejected</source>
            <translation>verworfen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>not shown</source>
            <translation>nicht gezeigt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>End this; what was taken is kept.  [Esc]</source>
            <translation>Beenden; was aufgenommen ist, bleibt.  [Esc]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Go on with the model in use.</source>
            <translation>Beim bisherigen Modell bleiben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Waiting for the first picture</source>
            <translation>Wartet auf das erste Bild</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Stopped by a failure</source>
            <translation>Wegen eines Fehlers beendet</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Stopped: this is the last picture.</source>
            <translation>Beendet: das ist das letzte Bild.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Waiting for a count</source>
            <translation>Wartet auf eine Zählung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Counting is off; press C.</source>
            <translation>Die Zählung ist aus; C drücken.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Not counted: it is dark. Choose a channel, 1–4.</source>
            <translation>Nicht gezählt: es ist dunkel. Einen Kanal wählen, 1–4.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Not counted: it was dark.</source>
            <translation>Nicht gezählt: es war dunkel.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Not counted: this channel does not show nuclei.</source>
            <translation>Nicht gezählt: dieser Kanal zeigt keine Kerne.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>LIVE</source>
            <translation>LIVE</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>SNAPSHOT…</source>
            <translation>EINZELBILD …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>STARTING…</source>
            <translation>BEGINNT …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>DARK</source>
            <translation>DUNKEL</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Opening the light source…</source>
            <translation>Lichtquelle wird geöffnet …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Opening the camera…</source>
            <translation>Kamera wird geöffnet …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Loading the model…</source>
            <translation>Modell wird geladen …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Starting the camera…</source>
            <translation>Kamera wird gestartet …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Taking the picture…</source>
            <translation>Bild wird aufgenommen …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Finding the nuclei…</source>
            <translation>Kerne werden gesucht …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Saving the picture…</source>
            <translation>Bild wird gespeichert …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Waiting for a device that has not come back; if it stays away, unplug it and plug it in again.</source>
            <translation>Ein Gerät ist noch nicht zurück; bleibt es aus, das Gerät aus- und wieder einstecken.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Stop recording</source>
            <translation>Aufnahme beenden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Record</source>
            <translation>Aufnahme</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>The disk is measured before the recording begins; it is dark meanwhile.</source>
            <translation>Vor der Aufnahme wird die Festplatte gemessen; solange ist es dunkel.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Cancelled; what is under way has to end first.</source>
            <translation>Abgebrochen; erst muss enden, was gerade läuft.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>The replay is closed: this is its last picture.</source>
            <translation>Die Wiedergabe ist geschlossen: das ist ihr letztes Bild.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Count of a picture {} older: it has no outlines in this one.</source>
            <translation>Zahl eines {} älteren Bildes: in diesem ist nichts umrandet.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>THE LIGHT MAY STILL BE ON</source>
            <translation>DAS LICHT IST VIELLEICHT NOCH AN</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>light not connected</source>
            <translation>Licht nicht verbunden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>The light source is back: dark, confirmed by the box.</source>
            <translation>Die Lichtquelle ist wieder da: dunkel, von der Lichtbox bestätigt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Saved</source>
            <translation>Gespeichert</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>This picture was not counted.</source>
            <translation>Dieses Bild wurde nicht gezählt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Not counted: light not confirmed</source>
            <translation>Nicht gezählt: Licht nicht bestätigt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>● RECORDING</source>
            <translation>● AUFNAHME</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>recorded light: unknown</source>
            <translation>Licht der Aufnahme: unbekannt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>recorded: dark</source>
            <translation>Aufnahme: dunkel</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>not confirmed</source>
            <translation>nicht bestätigt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>recorded</source>
            <translation>aufgezeichnet</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>Cancelled; the exposure of {} s has to end first.</source>
            <translation>Abgebrochen; erst muss die Belichtung von {} s enden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>TAKING A FLAT FIELD…</source>
            <translation>FLACHFELD WIRD AUFGENOMMEN …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>DIM: more exposure or light</source>
            <translation>ZU DUNKEL: mehr Belichtung oder Licht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>light not confirmed</source>
            <translation>Licht nicht bestätigt</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>SIMULATED</source>
            <translation>SIMULIERT:</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>COMPOSITE</source>
            <translation>ÜBERLAGERUNG</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>SATURATED</source>
            <translation>GESÄTTIGT</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>less exposure or light</source>
            <translation>weniger Belichtung oder Licht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>REPLAY</source>
            <translation>WIEDERGABE</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>REPLAY, CLOSED</source>
            <translation>WIEDERGABE, GESCHLOSSEN</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>SNAPSHOT</source>
            <translation>EINZELBILD</translation>
        </message>
        <message>
            <location filename="../../../app/gui/recorded.py" />
            <source>Read from the file.</source>
            <translation>Aus der Datei gelesen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/recorded.py" />
            <source>Picture</source>
            <translation>Bild</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>The step before.</source>
            <translation>Der Schritt davor.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>End the tour; it is in the menu under Help.  [Esc]</source>
            <translation>Den Rundgang beenden; er steht im Menü unter Hilfe.  [Esc]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>Tour</source>
            <translation>Rundgang</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>Back</source>
            <translation>Zurück</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>Skip</source>
            <translation>Überspringen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>Done</source>
            <translation>Fertig</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>Next</source>
            <translation>Weiter</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>End the tour.  [Enter]</source>
            <translation>Den Rundgang beenden.  [Eingabe]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>The next step.  [Enter]</source>
            <translation>Der nächste Schritt.  [Eingabe]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>{} of {}</source>
            <translation>{} von {}</translation>
        </message>
        <message>
            <location filename="../../../app/gui/veil.py" />
            <source>Connect again</source>
            <translation>Neu verbinden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/veil.py" />
            <source>Open light, camera and model again.</source>
            <translation>Licht, Kamera und Modell neu öffnen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer.py" />
            <source>Wheel or Ctrl+plus enlarges, dragging moves, a click picks a nucleus.</source>
            <translation>Rad oder Strg+Plus vergrößert, Ziehen verschiebt, ein Klick wählt einen Kern.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer_paint.py" />
            <source>area</source>
            <translation>Fläche</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer_paint.py" />
            <source>eccentricity</source>
            <translation>Exzentrizität</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer_paint.py" />
            <source>confidence</source>
            <translation>Sicherheit</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer_paint.py" />
            <source>Nucleus</source>
            <translation>Kern</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer_paint.py" />
            <source>at the edge</source>
            <translation>am Rand</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer_paint.py" />
            <source>intensity not valid</source>
            <translation>Intensität ungültig</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer_paint.py" />
            <source>out of focus</source>
            <translation>unscharf</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer_paint.py" />
            <source>outline not sharp</source>
            <translation>Umriss unscharf</translation>
        </message>
        <message>
            <location filename="../../../app/gui/viewer_paint.py" />
            <source>not in density</source>
            <translation>nicht in der Dichte</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Microscope</source>
            <translation>Mikroskop</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>View</source>
            <translation>Ansicht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Replay</source>
            <translation>Wiedergabe</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Correct</source>
            <translation>Korrigieren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Help</source>
            <translation>Hilfe</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Start or stop the live picture.</source>
            <translation>Das Live-Bild starten oder beenden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Snap</source>
            <translation>Einzelbild</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Take and save one picture with the least light.</source>
            <translation>Ein Bild mit dem wenigsten Licht aufnehmen und speichern.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Snap &amp; segment</source>
            <translation>Bild &amp; zählen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Take one picture, find its nuclei, save picture, outlines and table.</source>
            <translation>Ein Bild aufnehmen, seine Kerne finden; Bild, Umrisse und Tabelle speichern.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Record every frame until you stop.</source>
            <translation>Jedes Bild aufzeichnen, bis Sie beenden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Plan channels and times, see the cost, and take them.</source>
            <translation>Kanäle und Zeiten planen, die Kosten sehen, aufnehmen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Pause / resume plan</source>
            <translation>Plan anhalten / fortsetzen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Hold the plan that runs, in the dark, or go on with it.</source>
            <translation>Den laufenden Plan im Dunkeln anhalten oder fortsetzen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Open recording…</source>
            <translation>Öffnen …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Replay a recording or a picture file.</source>
            <translation>Eine Aufnahme oder eine Bilddatei wiedergeben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Open folder…</source>
            <translation>Ordner öffnen …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Replay a folder of pictures.</source>
            <translation>Einen Ordner mit Bildern wiedergeben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Close replay</source>
            <translation>Wiedergabe beenden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Leave the replay and go back to the microscope.</source>
            <translation>Die Wiedergabe verlassen und zurück zum Mikroskop.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Choose the folder for snapshots and recordings.</source>
            <translation>Den Ordner für Bilder und Aufnahmen wählen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Export counts</source>
            <translation>Zahlen exportieren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Write the counts of the chart to a CSV file.</source>
            <translation>Die Zahlen des Diagramms in eine CSV-Datei schreiben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Export nuclei</source>
            <translation>Kerne exportieren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Write picture, labels, table, ImageJ ROIs and GeoJSON of the nuclei on the screen.</source>
            <translation>Bild, Labels, Tabelle, ImageJ-ROIs und GeoJSON der gezeigten Kerne schreiben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Write counts, losses, picture and settings to one HTML file.</source>
            <translation>Zahlen, Verluste, Bild und Einstellungen in eine HTML-Datei schreiben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Quit</source>
            <translation>Beenden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Switch all lights off and leave.</source>
            <translation>Alle Lichter ausschalten und beenden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>All lights off</source>
            <translation>Lichter aus</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Switch every light off, at once.</source>
            <translation>Alle Lichter sofort ausschalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Channel 1</source>
            <translation>Kanal 1</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Choose the first channel; in live its light goes on, or off if it shines.</source>
            <translation>Den ersten Kanal wählen; live geht sein Licht an, oder aus, wenn es leuchtet.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Channel 2</source>
            <translation>Kanal 2</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Choose the second channel; in live its light goes on, or off if it shines.</source>
            <translation>Den zweiten Kanal wählen; live geht sein Licht an, oder aus, wenn es leuchtet.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Channel 3</source>
            <translation>Kanal 3</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Choose the third channel; in live its light goes on, or off if it shines.</source>
            <translation>Den dritten Kanal wählen; live geht sein Licht an, oder aus, wenn es leuchtet.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Channel 4</source>
            <translation>Kanal 4</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Choose the fourth channel; in live its light goes on, or off if it shines.</source>
            <translation>Den vierten Kanal wählen; live geht sein Licht an, oder aus, wenn es leuchtet.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>New field</source>
            <translation>Neues Feld</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Another field is in view: count its light dose from zero.</source>
            <translation>Ein anderes Feld ist im Bild: seine Lichtdosis von null an zählen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>More light</source>
            <translation>Mehr Licht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Raise the light by 5 %.</source>
            <translation>Das Licht um 5 % heben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Less light</source>
            <translation>Weniger Licht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Lower the light by 5 %.</source>
            <translation>Das Licht um 5 % senken.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Auto-contrast</source>
            <translation>Auto-Kontrast</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Fit black and white to the picture, once, and keep them for this channel.</source>
            <translation>Schwarz und Weiß einmal dem Bild anpassen und für diesen Kanal behalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Contrast follows the picture</source>
            <translation>Kontrast folgt dem Bild</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Fit black and white to every picture anew.</source>
            <translation>Schwarz und Weiß jedem Bild neu anpassen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Full range</source>
            <translation>Voller Bereich</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show the sensor's whole range, black to saturation.</source>
            <translation>Den ganzen Bereich des Sensors zeigen, von Schwarz bis zur Sättigung.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Take back the last change of contrast, or the last correction while you correct.</source>
            <translation>Die letzte Änderung des Kontrasts zurücknehmen, beim Korrigieren die letzte Korrektur.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Redo</source>
            <translation>Wiederholen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Do again what was taken back.</source>
            <translation>Wiederholen, was zurückgenommen wurde.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Fit</source>
            <translation>Einpassen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show the whole field.</source>
            <translation>Das ganze Feld zeigen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>1:1</source>
            <translation>1:1</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show one camera pixel as one screen pixel.</source>
            <translation>Ein Kamerapixel als ein Bildschirmpixel zeigen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Zoom in</source>
            <translation>Vergrößern</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Enlarge the picture.</source>
            <translation>Das Bild vergrößern.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Zoom out</source>
            <translation>Verkleinern</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show more of the field.</source>
            <translation>Mehr vom Feld zeigen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Nuclei outlines</source>
            <translation>Umrisse der Kerne</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show or hide the outlines of the nuclei.</source>
            <translation>Die Umrisse der Kerne zeigen oder verbergen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Nucleus numbers</source>
            <translation>Nummern der Kerne</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show or hide the number of every nucleus.</source>
            <translation>Die Nummer jedes Kerns zeigen oder verbergen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Count nuclei</source>
            <translation>Kerne zählen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Find and count nuclei in every picture.</source>
            <translation>In jedem Bild Kerne finden und zählen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Channel colour</source>
            <translation>Kanalfarbe</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show the picture in the colour of its channel instead of grey.</source>
            <translation>Das Bild in der Farbe seines Kanals statt grau zeigen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Add up the newest picture of every channel, each in its colour.</source>
            <translation>Das neueste Bild jedes Kanals in seiner Farbe überlagern.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Mark saturation</source>
            <translation>Sättigung zeigen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Paint saturated pixels pink and empty ones blue.</source>
            <translation>Gesättigte Pixel rosa zeigen, leere blau.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Crosshair</source>
            <translation>Fadenkreuz</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show the middle of the field.</source>
            <translation>Die Mitte des Felds zeigen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Logarithmic histogram</source>
            <translation>Logarithmisches Histogramm</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Draw the histogram by the logarithm, so that a few bright pixels show, or as it is.</source>
            <translation>Das Histogramm logarithmisch zeichnen, damit auch wenige helle Pixel zu sehen sind, oder wie es ist.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Line profile</source>
            <translation>Linienprofil</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Draw a line on the picture and see the grey values along it.</source>
            <translation>Eine Linie ins Bild ziehen und die Grauwerte entlang ihr sehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Full screen</source>
            <translation>Vollbild</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Use the whole screen.</source>
            <translation>Den ganzen Bildschirm verwenden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Side panels</source>
            <translation>Bereiche rechts</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show or hide the panels on the right.</source>
            <translation>Die Bereiche rechts zeigen oder verbergen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show or hide histogram and charts below the picture.</source>
            <translation>Histogramm und Diagramme unter dem Bild zeigen oder verbergen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Larger letters</source>
            <translation>Größere Schrift</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Make all letters larger, up to 200 %.</source>
            <translation>Alle Schrift größer, bis 200 %.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Smaller letters</source>
            <translation>Kleinere Schrift</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Make all letters smaller, down to 100 %.</source>
            <translation>Alle Schrift kleiner, bis 100 %.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Red-light theme</source>
            <translation>Rotlicht-Farben</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Use deep red only, for eyes used to the dark.</source>
            <translation>Nur tiefes Rot, für Augen, die an das Dunkel gewöhnt sind.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Auto-exposure</source>
            <translation>Auto-Belichtung</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Set exposure and gain by the picture; the light is never raised.</source>
            <translation>Belichtung und Verstärkung nach dem Bild setzen; das Licht wird nie erhöht.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Forget the sharpest value seen and begin anew.</source>
            <translation>Den schärfsten Wert vergessen und neu beginnen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Play / pause</source>
            <translation>Abspielen / anhalten</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Play or hold the replay.</source>
            <translation>Die Wiedergabe abspielen oder anhalten.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Frame back</source>
            <translation>Ein Bild zurück</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Go back one frame.</source>
            <translation>Ein Bild zurückgehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Frame on</source>
            <translation>Ein Bild weiter</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Go on by one frame.</source>
            <translation>Ein Bild weitergehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Compare models</source>
            <translation>Modelle vergleichen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show what another model finds, side by side, and how the two differ.</source>
            <translation>Daneben zeigen, was ein anderes Modell findet, und worin sich beide unterscheiden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Loop</source>
            <translation>Schleife</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Begin again at the end.</source>
            <translation>Am Ende von vorn beginnen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Correct by hand</source>
            <translation>Von Hand korrigieren</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Add, remove, split or merge nuclei on a picture that stands still.</source>
            <translation>Kerne auf einem stehenden Bild hinzufügen, entfernen, teilen oder verbinden.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Add</source>
            <translation>Hinzufügen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Click a nucleus that was missed, or draw around it.</source>
            <translation>Einen übersehenen Kern anklicken oder umfahren.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Remove</source>
            <translation>Entfernen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Click what is no nucleus.</source>
            <translation>Anklicken, was kein Kern ist.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Split</source>
            <translation>Teilen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Click two nuclei that were taken for one, or draw a line between them.</source>
            <translation>Zwei Kerne anklicken, die für einen gehalten wurden, oder eine Linie dazwischen ziehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Merge</source>
            <translation>Verbinden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Click one part of a nucleus, then the other.</source>
            <translation>Erst den einen Teil eines Kerns anklicken, dann den anderen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Flat-field correction</source>
            <translation>Flachfeld-Korrektur</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show and count without uneven light and dark signal; files stay raw.</source>
            <translation>Ohne ungleiches Licht und Dunkelsignal zeigen und zählen; Dateien bleiben unverändert.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Flat field and pixel size…</source>
            <translation>Flachfeld und Pixelgröße …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Take flat fields, measure the size of a pixel, see what is in force.</source>
            <translation>Flachfelder aufnehmen, die Pixelgröße messen, sehen, was gilt.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Choose or save settings for a sample.</source>
            <translation>Einstellungen für eine Probe wählen oder speichern.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Check the system</source>
            <translation>System prüfen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Check window, camera driver, ports, model, disk and say what to do.</source>
            <translation>Fenster, Kameratreiber, Anschlüsse, Modell und Platte prüfen und sagen, was zu tun ist.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Camera and light…</source>
            <translation>Kamera und Licht …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Look for cameras and light sources, and choose what to work with.</source>
            <translation>Nach Kameras und Lichtquellen suchen und wählen, womit gearbeitet wird.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show in five steps what is where.</source>
            <translation>In fünf Schritten zeigen, was wo ist.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Save versions, settings and messages for whoever helps you; a picture only if you want it.</source>
            <translation>Versionen, Einstellungen und Meldungen für Helfende speichern; ein Bild nur, wenn Sie wollen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>English</source>
            <translation>English</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Speak English, whatever language the system has; from the next start on.</source>
            <translation>Englisch sprechen, welche Sprache das System auch hat; vom nächsten Start an.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show everything that was said in this session.</source>
            <translation>Alles zeigen, was in dieser Sitzung gemeldet wurde.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Map of keys</source>
            <translation>Tastenübersicht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/actions.py" />
            <source>Show all keys.</source>
            <translation>Alle Tasten zeigen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_correct.py" />
            <source>Click one part of a nucleus, then the other, or drag between them.</source>
            <translation>Erst den einen Teil eines Kerns anklicken, dann den anderen, oder dazwischen ziehen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_correct.py" />
            <source>Now click the other part.  [Backspace: begin again]</source>
            <translation>Jetzt den anderen Teil anklicken.  [Rücktaste: von vorn]</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_correct.py" />
            <source>add nucleus</source>
            <translation>Kern hinzufügen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_correct.py" />
            <source>remove nucleus</source>
            <translation>Kern entfernen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_correct.py" />
            <source>split nucleus</source>
            <translation>Kern teilen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/handle_correct.py" />
            <source>merge nuclei</source>
            <translation>Kerne verbinden</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>too dim</source>
            <translation>zu dunkel</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/counts.py" />
            <source>too crowded</source>
            <translation>zu dicht</translation>
        </message>
        <message>
            <location filename="../../../app/gui/nuclei_table.py" />
            <source>no.</source>
            <translation>Nr.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/nuclei_table.py" />
            <source>ecc.</source>
            <translation>Exz.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/nuclei_table.py" />
            <source>x px</source>
            <translation>x px</translation>
        </message>
        <message>
            <location filename="../../../app/gui/nuclei_table.py" />
            <source>y px</source>
            <translation>y px</translation>
        </message>
        <message>
            <location filename="../../../app/gui/overlay_paint.py" />
            <source>one colour</source>
            <translation>eine Farbe</translation>
        </message>
        <message>
            <location filename="../../../app/gui/overlay_paint.py" />
            <source>intensity</source>
            <translation>Intensität</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>1. Put an even fluorescent slide under the objective; focus on it, then a little beside it.</source>
            <translation>1. Einen gleichmäßig fluoreszierenden Objektträger unter das Objektiv legen; scharf stellen, dann ein wenig daneben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>2. Start live, set light and exposure: bright, but with nothing saturated. Move the slide off scratches.</source>
            <translation>2. Live starten, Licht und Belichtung einstellen: hell, aber nichts gesättigt. Kratzer aus dem Bild schieben.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>3. Take it. The light is off for the dark frames, and flashes once for every other one.</source>
            <translation>3. Aufnehmen. Für die Dunkelbilder ist das Licht aus, für jedes andere blitzt es einmal auf.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>1. Fill the picture with the lines of a stage micrometer, or open an image of one, and focus on them.</source>
            <translation>1. Das Bild mit den Strichen eines Objektmikrometers füllen, oder ein Bild davon öffnen, und scharf stellen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/calibration_page.py" />
            <source>2. Say how far apart the lines are, and measure on the picture that is shown.</source>
            <translation>2. Den Abstand der Striche angeben und im gezeigten Bild messen.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Starting…</source>
            <translation>Beginnt …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Taking a picture…</source>
            <translation>Ein Bild wird aufgenommen …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Stopping…</source>
            <translation>Wird beendet …</translation>
        </message>
        <message>
            <location filename="../../../app/gui/panels/status_strip.py" />
            <source>Closed</source>
            <translation>Geschlossen</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>1 to 4 choose a light, once more switches it off; a filled button is one that the box itself reports as on. Esc switches everything off, at any time.</source>
            <translation>1 bis 4 wählen ein Licht, noch einmal gedrückt schaltet es aus; ein ausgefüllter Knopf ist eines, das die Lichtbox selbst als an meldet. Esc schaltet jederzeit alles aus.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>L starts the live picture and stops it. Nuclei are outlined as they come; the light is on only meanwhile.</source>
            <translation>L startet das Live-Bild und beendet es. Kerne werden laufend umrandet; nur so lange ist das Licht an.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>How many nuclei are in view, and how sure that is. Where a picture is not fit to be counted, the reason stands below.</source>
            <translation>Wie viele Kerne im Bild sind, und wie sicher das ist. Taugt ein Bild nicht zum Zählen, steht der Grund darunter.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>Keep</source>
            <translation>Behalten</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>S takes one picture with the least light and saves it with its nuclei; R records every frame; Ctrl+O plays what was kept.</source>
            <translation>S nimmt ein Bild mit dem wenigsten Licht auf und speichert es mit seinen Kernen; R zeichnet jedes Bild auf; Strg+O spielt es ab.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>Everything else</source>
            <translation>Alles andere</translation>
        </message>
        <message>
            <location filename="../../../app/gui/tour.py" />
            <source>? shows all keys, F10 opens the menu. Help in it has the check of the system, and this tour.</source>
            <translation>? zeigt alle Tasten, F10 öffnet das Menü. Unter Hilfe stehen die Prüfung des Systems und dieser Rundgang.</translation>
        </message>
        <message>
            <location filename="../../../app/gui/presenter.py" />
            <source>light</source>
            <translation>Licht</translation>
        </message>
    </context>
</TS>
