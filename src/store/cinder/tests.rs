//! Against a listener that plays Cinder, for what a real one does not show.
